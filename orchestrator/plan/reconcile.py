"""Billing's word, the state that is wanted and the state there is: where they differ, and what would mend it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import Desired, ServiceStatus

_S, _D = ServiceStatus, Desired
REMOVAL = "service.terminate"
# What a request of billing says about where a service has to be.
WISHES: Mapping[str, Desired] = {
    "service.create": _D.ACTIVE,
    "service.unsuspend": _D.ACTIVE,
    "service.suspend": _D.SUSPENDED,
    "service.terminate": _D.TERMINATED,
}
# WHMCS's words for tblhosting.domainstatus; None: nothing follows from it.
WORDS: Mapping[str, Desired | None] = {
    "active": _D.ACTIVE,
    "suspended": _D.SUSPENDED,
    "terminated": _D.TERMINATED,
    "cancelled": _D.TERMINATED,
    "fraud": _D.TERMINATED,
    "pending": None,
    "completed": None,
}
_TOWARDS = {_D.ACTIVE: "service.unsuspend", _D.SUSPENDED: "service.suspend", _D.TERMINATED: REMOVAL}
_SETTLED = {_D.ACTIVE: _S.ACTIVE, _D.SUSPENDED: _S.SUSPENDED, _D.TERMINATED: _S.TERMINATED}
_LONGEST_LIST = 1_000_000  # lines


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one service; None where somebody says nothing about it."""

    service: int
    billing: Desired | None
    desired: Desired | None
    status: ServiceStatus | None
    is_listed: bool = True  # False: billing's list does not have it at all
    is_busy: bool = False  # something that leads it elsewhere is under way
    refused: str = ""  # why billing's newest request has failed


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two that do not agree about a service. ``action`` mends it; empty: a person has to decide."""

    service: int
    between: str  # billing, state, nodes
    found: str
    action: str = ""
    is_unknown: bool = False  # a server that was needed did not answer


def compare(one: Standing) -> Difference | None:
    """Return where a service differs, None when all agree or something is under way that may change it."""
    if one.is_busy:
        return None
    return _with_billing(one) or _with_state(one)


def _with_billing(one: Standing) -> Difference | None:
    here = _here(one)
    if not one.is_listed and here is not _D.TERMINATED:
        return _billing(one, f"it is {one.status} here and billing does not know it; terminate it if that is right")
    if one.billing is None or one.billing is here:
        return None
    if here is _D.TERMINATED:
        why = f": {one.refused}" if one.refused else ""
        return _billing(one, f"billing has it as {one.billing} and it is not here{why}; order it again in billing")
    found = f"billing has it as {one.billing}, here it is wanted {here}"
    return _billing(one, found + (f": {one.refused}" if one.refused else ""), _TOWARDS[one.billing])


def _here(one: Standing) -> Desired:
    """Return where we want a service; one that waits for its removal is as good as removed."""
    if one.status in (None, _S.TERMINATED, _S.PENDING_TERMINATE) or one.desired is None:
        return _D.TERMINATED
    return one.desired


def _billing(one: Standing, found: str, action: str = "") -> Difference:
    return Difference(service=one.service, between="billing", found=found, action=action)


def _with_state(one: Standing) -> Difference | None:
    if one.desired is None or one.status in (_S.PENDING_TERMINATE, _S.TERMINATED, _SETTLED[one.desired]):
        return None
    # A service that failed on its way is led on by the same request that deploys it again, unless it is to go.
    again = {_D.ACTIVE: "service.redeploy", _D.SUSPENDED: "service.suspend", _D.TERMINATED: REMOVAL}
    found = f"it is wanted {one.desired} and is {one.status}, and nothing is under way"
    return Difference(service=one.service, between="state", found=found, action=again[one.desired])


def read_list(text: str) -> dict[int, Desired | None]:
    """Return what billing's list says: a line ``id,status`` for each service, WHMCS's words, a heading allowed.

    InvalidInput names the line that cannot be read.
    """
    found: dict[int, Desired | None] = {}
    for number, cells in enumerate(csv.reader(text.splitlines()), 1):
        if not cells or (number == 1 and not cells[0].strip().isdigit()):
            continue
        service, wish = _line(number, cells)
        if service in found:
            raise InvalidInput(f"line {number}", f"names service {service} again", "give each service once")
        found[service] = wish
    if not found:
        raise InvalidInput("the list", "names no service", "give lines such as 1001,Active")
    return found


def _line(number: int, cells: list[str]) -> tuple[int, Desired | None]:
    remedy = "give lines such as 1001,Active"
    if number > _LONGEST_LIST:
        raise InvalidInput(f"line {number}", "is too much", f"give at most {_LONGEST_LIST} lines")
    if len(cells) != 2 or not (cells[0].strip().isascii() and cells[0].strip().isdigit()):
        raise InvalidInput(f"line {number}", "is not a number and a status", remedy)
    word = cells[1].strip().lower()
    if word not in WORDS:
        raise InvalidInput(f"line {number}", f"{word[:40]!r} is no status", f"give one of {', '.join(WORDS)}")
    return int(cells[0]), WORDS[word]
