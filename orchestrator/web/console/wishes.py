"""What may be asked for a service from its page: who may, in which states it makes sense, and how carefully it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException

from orchestrator.core.operators import Rank
from orchestrator.core.states import ServiceStatus as Status
from orchestrator.models.service import Service

_ALIVE = frozenset(Status) - {Status.TERMINATED, Status.TERMINATING}
Params = Callable[[Service, Mapping[str, str]], dict[str, Any]]


def _none(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    del row, sent
    return {}


def _reason(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    del row
    return {"reason": sent["reason"]} if sent.get("reason") else {}


def _package(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    del row
    return {"package": sent.get("package", "")}


def _code(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    del sent
    return {"confirm": row.reset_code}


def _force(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    del row, sent
    return {"force": True}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A button of a service's page. A grave one is asked for twice: the domain is typed out."""

    action: str
    title: str
    text: str  # what it means for the customer
    rank: Rank = Rank.SUPPORT
    states: frozenset[Status] = _ALIVE
    is_grave: bool = False
    field: str = ""  # what is asked for beside
    params: Params = _none


OFFERS: Mapping[str, Offer] = {
    "redeploy": Offer(
        action="service.redeploy",
        title="Redeploy",
        text="Runs the whole chain again; on a healthy service nothing changes.",
    ),
    "repair": Offer(
        action="service.repair",
        title="Check and repair",
        text="Compares every object with what it should be and mends only what is missing or wrong.",
        states=frozenset({Status.ACTIVE, Status.SUSPENDED}),
    ),
    "sync-usage": Offer(
        action="service.sync_usage",
        title="Sync usage",
        text="Asks its servers what it uses.",
        states=frozenset({Status.ACTIVE, Status.SUSPENDED}),
    ),
    "suspend": Offer(
        action="service.suspend",
        title="Suspend",
        text="Cuts the service off; nothing of it is deleted. The reason is shown to the customer.",
        states=_ALIVE - {Status.SUSPENDED},
        field="reason",
        params=_reason,
    ),
    "unsuspend": Offer(
        action="service.unsuspend",
        title="Unsuspend",
        text="Brings the service back as it was, or withdraws its pending termination.",
        states=frozenset({Status.SUSPENDED, Status.SUSPENDING, Status.PENDING_TERMINATE, Status.FAILED}),
    ),
    "change-package": Offer(
        action="service.change_package",
        title="Change package",
        text="Gives the service the limits of another package.",
        states=frozenset({Status.ACTIVE}),
        field="package",
        params=_package,
    ),
    "factory-reset": Offer(
        action="service.factory_reset",
        title="Factory reset",
        text="First it is only counted what would be wiped; nothing is, before that is confirmed.",
        rank=Rank.ADMIN,
        states=frozenset({Status.ACTIVE, Status.FAILED}),
    ),
    "factory-reset-confirm": Offer(
        action="service.factory_reset",
        title="Wipe and deploy anew",
        text="Everything that the customer has put there is deleted: files, databases, mail. Nothing brings it back.",
        rank=Rank.ADMIN,
        states=frozenset(),
        is_grave=True,
        params=_code,
    ),
    "terminate": Offer(
        action="service.terminate",
        title="Terminate",
        text="Removes the service with all its data from every server, after the time of grace if there is one.",
        rank=Rank.ADMIN,
        is_grave=True,
    ),
    "terminate-force": Offer(
        action="service.terminate",
        title="Terminate by force",
        text="Closes the service out now, whatever its servers say. What could not be removed is kept in the list of orphans.",
        rank=Rank.ADMIN,
        is_grave=True,
        params=_force,
    ),
}


def of(status: str, rank: Rank) -> list[tuple[str, Offer]]:
    """Return what a person may ask for in this state."""
    return [(name, one) for name, one in OFFERS.items() if Status(status) in one.states and rank.may(one.rank)]


def chosen(name: str, rank: Rank) -> Offer:
    """Return the offer of this name for a person; it is refused to whom it is not made."""
    offer = OFFERS.get(name)
    if offer is None:
        raise HTTPException(404)
    if not rank.may(offer.rank):
        raise HTTPException(403, f"this takes the role {offer.rank}")
    return offer
