"""The operator's knobs: one registry feeds the command line, the pages, validation and the documentation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from orchestrator.core.errors import InvalidInput, NotFound

Value = int | bool | str
_LIST_MAXIMUM = 20  # numbers


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One setting: how it is called, what it may be and what it does."""

    name: str
    kind: str  # int, bool, text, url, choice, int_list, zone
    default: Value
    help: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """Return the typed value of what an operator typed; InvalidInput says what is allowed."""
        parsers: dict[str, Callable[[str], Value]] = {
            "int": self._int,
            "bool": self._bool,
            "choice": self._choice,
            "url": self._url,
            "int_list": self._int_list,
            "zone": self._zone,
        }
        return parsers.get(self.kind, self._text)(text.strip())

    def _int(self, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not self.low <= int(text) <= self.high:
            raise InvalidInput(
                self.name, f"{text!r} is out of range", f"give a whole number from {self.low} to {self.high}"
            )
        return int(text)

    def _bool(self, text: str) -> bool:
        if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise InvalidInput(self.name, f"{text!r} is neither true nor false", "give true or false")
        return text.lower() in ("true", "yes", "1")

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise InvalidInput(self.name, f"{text!r} is not known", f"give one of {', '.join(self.choices)}")
        return text

    def _int_list(self, text: str) -> str:
        parts = [part.strip() for part in text.split(",")]
        is_short = len(parts) <= _LIST_MAXIMUM
        if not is_short or not all(
            re.fullmatch(r"[0-9]{1,9}", part) and self.low <= int(part) <= self.high for part in parts
        ):
            raise InvalidInput(
                self.name,
                f"{text!r} is no list of numbers",
                f"give numbers from {self.low} to {self.high}, e.g. {self.default}",
            )
        return ",".join(parts)

    def _url(self, text: str) -> str:
        if text and not re.fullmatch(r"https://[!-~]{1,180}", text):
            raise InvalidInput(self.name, f"{text[:40]!r} is no https:// address", f"give one such as {self.default}")
        return text

    def _zone(self, text: str) -> str:
        try:
            ZoneInfo(text)
        except (ValueError, OSError, KeyError):  # no such zone, or no name of one
            raise InvalidInput(
                self.name, f"{text[:40]!r} is no time zone", "give one such as Europe/Vienna, or UTC"
            ) from None
        return text

    def _text(self, text: str) -> str:
        if len(text) > 200 or not text.isprintable():
            raise InvalidInput(
                self.name, "is too long or has control characters", "give up to 200 printable characters"
            )
        return text


EVENTS: Mapping[str, str] = {
    "account_ready": "a new account is ready",
    "task_failed": "an operation that was given up, and its later success",
    "certificate_installed": "a certificate was installed",
    "certificate_expiring": "a customer's own certificate ends soon",
    "certificate_problem": "a certificate that cannot be had",
    "usage_synced": "figures that somebody has asked for are there (webhooks only)",
    "usage_warning": "80 % of a limit are used",
    "usage_exceeded": "a limit is exceeded",
    "sync_failing": "the figures of a server cannot be collected, or can be again",
    "web_suspended": "a website is suspended for what it uses, or answers again",
    "suspended": "a service is suspended",
    "terminated": "a service is terminated",
    "server_unreachable": "a server does not answer",
    "server_back": "a server answers again",
}


def _int(name: str, default: int, low: int, high: int, help_: str) -> Knob:
    return Knob(name=name, kind="int", default=default, low=low, high=high, help=help_)


KNOBS: Mapping[str, Knob] = {
    knob.name: knob
    for knob in (
        _int("tasks.max_attempts", 5, 1, 50, "Attempts before a failing task ends in error"),
        _int(
            "tasks.max_unreachable",
            48,
            1,
            1000,
            "Attempts before a task of an unreachable server ends in error",
        ),
        Knob(
            name="tasks.backoff_minutes",
            kind="int_list",
            default="1,5,15,60,240",
            low=0,
            high=10080,
            help="Minutes between attempts, growing; the last one repeats",
        ),
        _int(
            "tasks.batch_size",
            20,
            1,
            64,
            "Runs one orchestrator has at once; of the tasks of one, one at a time is at work",
        ),
        _int(
            "tasks.per_run",
            5,
            1,
            16,
            "Services whose steps on one server share a run at most; 1: each step has its own run",
        ),
        _int("tasks.retention_days", 30, 1, 3650, "Days that finished tasks and their log are kept"),
        _int("tasks.stuck_after_minutes", 30, 1, 1440, "Minutes after which a running task counts as stuck"),
        _int(
            "server.concurrency",
            4,
            1,
            64,
            "Steps at once on one server, unless the server has a number of its own",
        ),
        Knob(
            name="execution.mode",
            kind="choice",
            default="warm",
            choices=("warm", "plain"),
            help="How steps are started, from the next start on: forked from a process that is ready, or anew each time",
        ),
        _int("server.circuit_after", 3, 1, 100, "Unreachable attempts in a row that open a server's circuit"),
        _int(
            "server.circuit_seconds",
            60,
            1,
            86400,
            "Seconds a circuit stays open before one attempt is let through",
        ),
        Knob(
            name="tickets.enabled",
            kind="bool",
            default=False,
            help="Open a support ticket for a terminal failure",
        ),
        Knob(name="tickets.department", kind="text", default="", help="Department that failure tickets go to"),
        Knob(
            name="tickets.priority",
            kind="choice",
            default="Medium",
            choices=("Low", "Medium", "High"),
            help="Priority of failure tickets",
        ),
        Knob(
            name="ssl.directory",
            kind="url",
            default="https://acme-v02.api.letsencrypt.org/directory",
            help="Directory of the authority that certificates come from; empty: none is ordered",
        ),
        Knob(name="ssl.contact_email", kind="text", default="", help="Address that the authority may write to"),
        Knob(
            name="ssl.ca_file",
            kind="text",
            default="",
            help="File with the roots that the authority's own HTTPS is checked against; empty: the system's",
        ),
        Knob(
            name="ssl.caa_identities",
            kind="text",
            default="letsencrypt.org",
            help="Names that the authority goes by in CAA records, with commas",
        ),
        Knob(
            name="ssl.resolvers",
            kind="text",
            default="",
            help="Addresses of validating resolvers, with commas; empty: the system's",
        ),
        Knob(
            name="tickets.email", kind="text", default="", help="Address that failure tickets are opened in the name of"
        ),
        Knob(
            name="notices.mail_to",
            kind="text",
            default="",
            help="Operators' addresses for notices, separated by commas",
        ),
        _int("notices.give_up_hours", 72, 1, 720, "Hours after which a notice that cannot be delivered is given up"),
        *(
            Knob(name=f"events.{name}", kind="bool", default=True, help=f"Tell about: {what}")
            for name, what in EVENTS.items()
        ),
        _int("ssl.fast_count", 10, 0, 1000, "Checks in fast mode after provisioning"),
        _int("ssl.fast_interval_seconds", 180, 10, 86400, "Seconds between checks in fast mode"),
        _int("ssl.normal_interval_minutes", 60, 1, 10080, "Minutes between checks in normal mode"),
        _int("ssl.active_interval_hours", 6, 1, 720, "Hours between checks of a working certificate"),
        _int("ssl.freeze_after", 5, 1, 100, "Validation failures that freeze a certificate's automation"),
        _int("ssl.freeze_hours", 24, 1, 720, "Hours that a freeze lasts"),
        Knob(
            name="ssl.custom_warn_days",
            kind="int_list",
            default="30,14,7,3,1,0",
            low=0,
            high=365,
            help="Days before expiry at which a customer's own certificate is warned about",
        ),
        _int(
            "usage.interval_minutes",
            60,
            0,
            1440,
            "Minutes between usage collections of one server; 0: only when somebody asks",
        ),
        Knob(name="usage.timezone", kind="zone", default="UTC", help="Time zone in which days and months end"),
        _int("console.idle_minutes", 60, 5, 1440, "Minutes without a click after which an operator is signed out"),
        _int("console.session_hours", 12, 1, 168, "Hours after which an operator signs in again in any case"),
        _int("customer.link_minutes", 720, 5, 43200, "Minutes that a link to a customer's page works"),
        Knob(
            name="customer.embed_origin",
            kind="url",
            default="",
            help="Address of the site that may show the customer's page in a frame, e.g. https://billing.example; empty: none",
        ),
        _int("usage.retention_days", 400, 62, 3650, "Days of usage history; of older days a row a month is kept"),
        _int("usage.warn_percent", 80, 10, 99, "Percent of a limit from which its use is told"),
        _int("terminate.grace_minutes", 0, 0, 525600, "Minutes between a request to terminate and the removal"),
        _int(
            "reload.coalesce_seconds",
            2,
            0,
            60,
            "Seconds that a reload of nginx waits at most for steps about to write; a step that is alone waits for nobody",
        ),
        _int("dns.ttl", 3600, 60, 604800, "Seconds that default DNS records may be cached"),
        Knob(
            name="dns.hostmaster",
            kind="text",
            default="",
            help="Mail address in SOA records; empty: hostmaster@ the domain",
        ),
    )
}


def knob(name: str) -> Knob:
    """Return a knob by name; NotFound suggests the nearest one."""
    if name in KNOBS:
        return KNOBS[name]
    near = difflib.get_close_matches(name[:64], KNOBS, n=1)
    raise NotFound(
        "setting",
        f"there is no {name[:64]!r}",
        f"did you mean {near[0]}?" if near else "see `tenantry settings list`",
    )
