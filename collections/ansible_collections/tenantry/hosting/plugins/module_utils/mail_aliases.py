# SPDX-License-Identifier: Apache-2.0
"""Aliases as whole sets: what an address leads to, whether it may, and whether it would come back to itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, mail_daemons, mail_names, mail_store
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Row, Store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

MOST = 50
_LONGEST_WALK = 1000  # as many addresses as Postfix makes of one


def checked(destinations: Sequence[Any], address: str) -> list[str]:
    """Return the destinations, each once and in order; a name of this server or the alias with a tag is refused."""
    if not 1 <= len(destinations) <= MOST:
        raise grammar.refuse("destinations", "there are %d" % len(destinations), "give 1 to %d addresses" % MOST)
    found = sorted({mail_names.destination(str(one)) for one in destinations})
    for one in found:
        if one != address and untagged(one) == address:
            raise grammar.refuse("destinations", f"{one} is {address} itself", "leave it out")
    return found


def require_foreign(destinations: Sequence[str]) -> None:
    """Refuse addresses of the server itself: its local users are none of the customers' business."""
    names = mail_daemons.own_names()
    for one in destinations:
        if one.partition("@")[2] in names:
            raise grammar.refuse("destinations", f"{one} is an address of this server", "choose another address")


def untagged(address: str) -> str:
    """Return name@domain of name+tag@domain."""
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"


def rows_of(store: Store, address: str) -> list[Row]:
    """Return the rows of an alias, one a destination."""
    return store.select("SELECT * FROM main.aliases WHERE address = ? ORDER BY destination", address)


def require_room(store: Store, address: str, owner: str | None) -> None:
    """Refuse a mailbox whose address is an alias, unless the alias is the owner's and keeps a copy in the mailbox."""
    rows = rows_of(store, address)
    if any(owner is not None and row["owner"] != owner for row in rows):
        raise StepFailed("conflict", f"{address} on this node is an alias of another owner; free it first")
    if any(row["active"] for row in rows) and address not in {row["destination"] for row in rows}:
        raise StepFailed(
            "conflict",
            f"{address} is an alias that leads elsewhere; remove it or make {address} one of its destinations",
        )


def require_no_vanishing(store: Store, address: str, destinations: Sequence[str], owner: str | None) -> None:
    """Refuse an alias over a mailbox of somebody else, over one that gets no copy, and one that leads to itself alone."""
    box = store.row("main.mailboxes", address)
    if box is not None and owner is not None and box["owner"] != owner:
        raise StepFailed("conflict", f"{address} on this node is a mailbox of another owner; choose another address")
    if box is not None and address not in destinations:
        raise grammar.refuse(
            "destinations",
            f"there is a mailbox {address}, whose mail would go astray",
            f"add {address} or remove the mailbox",
        )
    if box is None and address in destinations:
        raise grammar.refuse("destinations", f"{address} is the alias itself and no mailbox", "leave it out")


def require_no_loop(store: Store, address: str, destinations: Sequence[str]) -> None:
    """Refuse an alias that leads back to itself through other aliases of this node, whose ever they are."""
    waiting, seen = [one for one in destinations if one != address], set()
    while waiting and len(seen) < _LONGEST_WALK:
        place = waiting.pop()
        for name in {place.lower(), untagged(place.lower())} - seen:
            seen.add(name)
            if name == address:
                raise grammar.refuse("destinations", f"they lead back to {address}", "leave out what does")
            waiting += [row["destination"] for row in rows_of(store, name) if row["active"]]


def put(step: Step, store: Store, wanted: Sequence[Row]) -> list[Row] | None:
    """Make the rows of an alias exactly these and return what they were, None when they are right already."""
    address = str(wanted[0]["address"])
    now = rows_of(store, address)
    if now == sorted(wanted, key=lambda row: str(row["destination"])):
        return None
    step.note(f"main.aliases {address}", shown(now), shown(wanted))
    if not step.check_mode:
        replace(store, address, wanted)
    return now


def replace(store: Store, address: str, rows: Sequence[Row]) -> None:
    """Replace the whole set of rows of an alias."""
    store.run("DELETE FROM main.aliases WHERE address = ?", address)
    for row in rows:
        columns = ("address", "destination", "domain", "owner", "active")
        store.run(
            f"INSERT INTO main.aliases ({', '.join(columns)}) VALUES (?, ?, ?, ?, ?)", *(row[name] for name in columns)
        )


def shown(rows: Sequence[Row]) -> str:
    """Return the rows for --diff."""
    return "".join(mail_store.shown(row) for row in rows)
