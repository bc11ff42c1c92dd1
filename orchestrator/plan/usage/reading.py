"""What a node says its accounts use, checked figure by figure.

A node may be wrong or in foreign hands. What it says counts for services that live on it, and within bounds; everything else is
refused and told. A figure that is refused or missing stays what it was and grows old; it never becomes 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Json
from orchestrator.core.states import Role
from orchestrator.plan.usage.metrics import METRICS, of_role

# A role's word for a metric.
_WORDS: Mapping[str, Mapping[str, str]] = {
    Role.WEB: {
        "disk": "web_disk",
        "files": "web_files",
        "databases": "databases",
        "database_bytes": "database_disk",
        "sftp": "sftp_accounts",
        "cron": "cron_jobs",
    },
    Role.MAIL: {"mailboxes": "mailboxes"},
    Role.DNS: {"zones": "dns_zones", "records": "dns_records"},
}
_MORE: Mapping[str, frozenset[str]] = {
    Role.WEB: frozenset({"days", "age"}),
    Role.MAIL: frozenset({"days", "boxes"}),
    Role.DNS: frozenset(),
}
_AGED = ("web_disk", "web_files")  # measured ``age`` seconds ago
_AGE_MAXIMUM = 400 * 86_400
_DAY = re.compile(r"(\d{8}):(\d{1,16}):(\d{1,16})")
_BOX = re.compile(r"(\S{3,320}) (\d{1,16}) (\d{1,10})")
_QUERIES_MAXIMUM = 2**50
_PROBLEMS = 20
Box = tuple[str, int, int]  # address, bytes, messages


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the node is asked about: the services of one role on it, their mailboxes, and the days it was given."""

    services: Mapping[str, int]  # label of the owner -> service
    boxes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    first_day: int = 0
    last_day: int = 99_999_999


@dataclass(kw_only=True)
class Reading:
    """What is believed of one role's report."""

    role: str
    complete: bool = False
    through: int | None = None
    figures: dict[int, dict[str, int]] = field(default_factory=dict)
    ages: dict[int, int] = field(default_factory=dict)  # seconds since web_disk was measured
    days: dict[int, dict[int, dict[str, int]]] = field(default_factory=dict)  # service -> day -> counter -> value
    boxes: dict[int, list[Box]] = field(default_factory=dict)
    queries: int | None = None  # answered by a DNS server since it was started
    problems: list[str] = field(default_factory=list)

    def refuse(self, what: str) -> None:
        """Note that something was not believed; only the first ones are kept, and that there were more."""
        if len(self.problems) < _PROBLEMS:
            self.problems.append(what)
        elif len(self.problems) == _PROBLEMS:
            self.problems.append("and more")


def read(role: str, said: Any, known: Known) -> Reading:
    """Return what is believed of a role's report; InvalidInput when it is no report at all."""
    if not isinstance(said, dict) or not isinstance(said.get("accounts"), dict):
        raise InvalidInput(
            f"usage.{role}", "is no report of usage", "check the server; its figures stay what they were"
        )
    reading = Reading(role=role, complete=said.get("complete") is True)
    if not reading.complete:
        reading.refuse("the node has not finished; what is missing comes with the next collection")
    reading.through = _through(said, known, reading) if of_role(role, True) else None
    if role == Role.DNS:
        _queries(reading, said.get("queries"))
    strangers = [owner for owner in said["accounts"] if owner not in known.services]
    if strangers:
        reading.refuse(f"{len(strangers)} accounts do not live on this server, such as {shown(str(strangers[0]))}")
    for owner, service in known.services.items():
        if owner in said["accounts"]:
            _account(reading, service, said["accounts"][owner], known)
    return reading


def _through(said: Json, known: Known, reading: Reading) -> int | None:
    value = said.get("through")
    if isinstance(value, int) and not isinstance(value, bool) and known.first_day <= value <= known.last_day:
        return value
    reading.refuse("through is none of the days that were asked for")
    return None


def _queries(reading: Reading, value: Any) -> None:
    """Read the server's own counter; None is what a server says that does not know it at the moment."""
    if _is_within(value, _QUERIES_MAXIMUM):
        reading.queries = value
    elif value is not None:
        reading.refuse(f"queries is no whole number from 0 to {_QUERIES_MAXIMUM}")


def _account(reading: Reading, service: int, said: Any, known: Known) -> None:
    if not isinstance(said, dict):
        reading.refuse(f"service {service}: is no object")
        return
    words = _WORDS[reading.role]
    for key in said:
        if key not in words and key not in _MORE[reading.role]:
            reading.refuse(f"service {service}: {shown(str(key))} is not known")
    figures = reading.figures.setdefault(service, {})
    for word, metric in words.items():
        if word in said:
            _figure(reading, service, figures, metric, said[word])
    if reading.role == Role.WEB and "web_disk" in figures:
        _age(reading, service, said.get("age"))
    if reading.role == Role.MAIL:
        _boxes(reading, service, said.get("boxes"), known.boxes.get(service, frozenset()))
    if of_role(reading.role, True):
        _days(reading, service, said.get("days"), known)


def _figure(reading: Reading, service: int, figures: dict[str, int], metric: str, value: Any) -> None:
    if _is_within(value, METRICS[metric].maximum):
        figures[metric] = value
    else:
        reading.refuse(f"service {service}: {metric} is no whole number from 0 to {METRICS[metric].maximum}")


def _is_within(value: Any, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum


def _age(reading: Reading, service: int, value: Any) -> None:
    if _is_within(value, _AGE_MAXIMUM):
        reading.ages[service] = value
        return
    reading.refuse(f"service {service}: age is no number of seconds")
    for metric in _AGED:
        reading.figures[service].pop(metric, None)


def _boxes(reading: Reading, service: int, said: Any, mine: frozenset[str]) -> None:
    """Read the mailboxes; the sums are told only when every mailbox was."""
    found: list[Box] = []
    for match in _matches(reading, service, "boxes", said if isinstance(said, list) else [said], _BOX):
        address, size, messages = match[1], int(match[2]), int(match[3])
        if address not in mine or any(address == box[0] for box in found[-1:]):
            reading.refuse(f"service {service}: {shown(address)} is no mailbox of it")
        elif size > METRICS["mail_disk"].maximum or messages > METRICS["mail_messages"].maximum:
            reading.refuse(f"service {service}: the size of {shown(address)} is out of range")
        else:
            found.append((address, size, messages))
    reading.boxes[service] = list({box[0]: box for box in found}.values())
    if len(reading.boxes[service]) == reading.figures[service].get("mailboxes"):
        reading.figures[service] |= {
            "mail_disk": sum(box[1] for box in found),
            "mail_messages": sum(box[2] for box in found),
        }


def _days(reading: Reading, service: int, said: Any, known: Known) -> None:
    names = [metric.name for metric in of_role(reading.role, True)]
    days = reading.days.setdefault(service, {})
    parts = said.split() if isinstance(said, str) else [said]
    for match in _matches(reading, service, "days", parts, _DAY):
        day, values = int(match[1]), (int(match[2]), int(match[3]))
        if not known.first_day <= day <= known.last_day or day in days:
            reading.refuse(f"service {service}: {day} is none of the days that were asked for")
        elif any(value > METRICS[name].maximum for name, value in zip(names, values, strict=True)):
            reading.refuse(f"service {service}: the counters of {day} are out of range")
        else:
            days[day] = dict(zip(names, values, strict=True))


def _matches(
    reading: Reading, service: int, what: str, parts: list[Any], pattern: re.Pattern[str]
) -> Iterator[re.Match[str]]:
    for part in parts:
        match = pattern.fullmatch(part) if isinstance(part, str) else None
        if match is None:
            reading.refuse(f"service {service}: {what} cannot be read")
        else:
            yield match
