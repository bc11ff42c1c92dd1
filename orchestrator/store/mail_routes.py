"""Where aliases lead, over all services."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import InvalidInput
from orchestrator.models.fleet import Server
from orchestrator.models.objects import MailAlias

_FIELD = "destinations"
_LONGEST_WALK = 1000  # as many addresses as a mail server makes of one


def untagged(address: str) -> str:
    """Return name@domain of name+tag@domain."""
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"


def refuse_servers(destinations: Sequence[str]) -> None:
    """Refuse addresses of a server itself: its local users are none of the customers' business."""
    servers = {row.hostname for row in Server.select(Server.hostname)}
    for one in destinations:
        if one.rpartition("@")[2] in servers:
            raise InvalidInput(_FIELD, f"{one} is an address of a server", "choose another address")


def refuse_circle(address: str, destinations: Sequence[str]) -> None:
    """Refuse an alias that leads back to itself through other aliases, whose ever they are."""
    waiting, seen = [one for one in destinations if one != address], set[str]()
    while waiting and len(seen) < _LONGEST_WALK:
        place = waiting.pop().lower()
        for name in {place, untagged(place)} - seen:
            seen.add(name)
            if name == address:
                raise InvalidInput(_FIELD, f"they lead back to {address}", "leave out what does")
            waiting += _next(name)


def _next(address: str) -> list[str]:
    local, _, domain = address.partition("@")
    row = MailAlias.get_or_none(
        (MailAlias.domain == domain) & (MailAlias.local_part == local) & MailAlias.enabled & ~MailAlias.removing
    )
    return list(row.destinations) if row else []
