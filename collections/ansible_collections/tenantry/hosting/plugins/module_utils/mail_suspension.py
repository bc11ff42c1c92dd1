# SPDX-License-Identifier: Apache-2.0
"""The suspension of an owner: one row in each table that the daemons' queries join, so that no object of the owner changes."""

from __future__ import annotations

from ansible_collections.tenantry.hosting.plugins.module_utils import mail_change, mail_queue
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

POLICIES = ("defer", "accept", "reject")
TABLES = ("main.suspensions", "accounts.suspensions")
_HOLDINGS = ("main.domains", "main.mailboxes", "main.aliases", "accounts.domains", "accounts.accounts")


def policy_of(store: Store, owner: str) -> str | None:
    """Return what happens to inbound mail of a suspended owner, None when the owner is not suspended."""
    row = store.row("main.suspensions", owner)
    return None if row is None else str(row["policy"])


def mailboxes_of(store: Store, owner: str) -> list[str]:
    """Return the addresses of the owner's mailboxes."""
    found = (
        "SELECT address FROM main.mailboxes WHERE owner = ? UNION SELECT address FROM accounts.accounts WHERE owner = ?"
    )
    return [str(row["address"]) for row in store.select(found, owner, owner)]


def addresses_of(store: Store, owner: str) -> list[str]:
    """Return every address of the owner under which mail is taken: mailboxes and the aliases that count."""
    aliases = store.select("SELECT DISTINCT address FROM main.aliases WHERE owner = ? AND active = 1", owner)
    return sorted({*mailboxes_of(store, owner), *(str(row["address"]) for row in aliases)})


def held(store: Store, owner: str) -> list[str]:
    """Return the queue ids of the messages that the suspension holds."""
    row = store.row("main.suspensions", owner)
    return [] if row is None else str(row["held"]).split()


def forget(step: Step, store: Store, owner: str) -> None:
    """Remove the suspension of an owner of whom nothing is left, and what it holds; the caller holds the transaction."""
    if not owner or any(store.select(f"SELECT 1 FROM {table} WHERE owner = ? LIMIT 1", owner) for table in _HOLDINGS):
        return
    if ids := held(store, owner):
        mail_queue.delete(step, ids)
    for table in TABLES:
        mail_change.drop(step, store, table, "owner = ?", owner)
