"""Every metric there is: its unit, where it comes from, and how large it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.states import Role

BYTES, COUNT, MESSAGES = "bytes", "count", "messages"
QUERIES = "dns_queries"  # of a server: PowerDNS does not count them by zone
SNAPSHOT = "snapshot"  # the period of a figure that is true now
_BYTES_MAXIMUM = 2**50  # 1 PiB: no account has more, and no day brings more over one network
_COUNT_MAXIMUM = 10**9


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. A counter grows within a month; the others are true at the moment they were collected."""

    name: str
    unit: str
    help: str
    role: str = ""  # whose servers report it; empty: derived from others
    is_counter: bool = False
    parts: tuple[str, ...] = ()  # of a derived one, which is their sum

    @property
    def maximum(self) -> int:
        """The largest value that is believed: of a counter, in one day."""
        return _BYTES_MAXIMUM if self.unit == BYTES else _COUNT_MAXIMUM


def _of(role: Role, *metrics: tuple[str, str, str], is_counter: bool = False) -> tuple[Metric, ...]:
    return tuple(
        Metric(name=name, unit=unit, help=text, role=role, is_counter=is_counter) for name, unit, text in metrics
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *_of(
            Role.WEB,
            ("web_disk", BYTES, "Files of the web account"),
            ("web_files", COUNT, "Files and folders of the web account"),
            ("databases", COUNT, "Databases"),
            ("database_disk", BYTES, "Tables and indexes of all databases"),
            ("sftp_accounts", COUNT, "SFTP logins"),
            ("cron_jobs", COUNT, "Cron jobs"),
        ),
        *_of(
            Role.WEB,
            ("web_in", BYTES, "Requests with their bodies"),
            ("web_out", BYTES, "Answers with their headers"),
            is_counter=True,
        ),
        *_of(
            Role.MAIL,
            ("mail_disk", BYTES, "Messages in all mailboxes"),
            ("mail_messages", COUNT, "Messages in all mailboxes, their number"),
            ("mailboxes", COUNT, "Mailboxes"),
        ),
        *_of(
            Role.MAIL,
            ("mail_sent", MESSAGES, "Messages sent by logged-in users"),
            ("mail_received", MESSAGES, "Messages put into mailboxes"),
            is_counter=True,
        ),
        *_of(Role.DNS, ("dns_zones", COUNT, "DNS zones"), ("dns_records", COUNT, "DNS records")),
        Metric(
            name="disk",
            unit=BYTES,
            help="Files, databases and mail together",
            parts=("web_disk", "database_disk", "mail_disk"),
        ),
        Metric(
            name="bandwidth", unit=BYTES, help="Web traffic both ways", is_counter=True, parts=("web_in", "web_out")
        ),
    )
}


def of_role(role: str, is_counter: bool) -> tuple[Metric, ...]:
    """Return the metrics that a role's servers report."""
    return tuple(one for one in METRICS.values() if one.role == role and one.is_counter is is_counter)


def with_derived(figures: Mapping[str, int], roles: frozenset[str]) -> dict[str, int]:
    """Return the figures and those derived from them.

    A sum is told only when every part is known; a part of a role that the service does not have is none.
    """
    found = dict(figures)
    for metric in METRICS.values():
        if metric.parts:
            wanted = [part for part in metric.parts if METRICS[part].role in roles]
            if wanted and all(part in figures for part in wanted):
                found[metric.name] = sum(figures[part] for part in wanted)
    return found
