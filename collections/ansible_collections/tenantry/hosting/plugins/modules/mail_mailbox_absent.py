#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that a mailbox and its mail are gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_mailbox_absent
short_description: Ensure that a mailbox and its mail are gone
description:
  - Removes the mailbox from the lookup tables of Postfix and Dovecot, ends its sessions, moves its mail aside and deletes it.
  - A mailbox of another owner is left alone, with a warning. Aliases that lead to the mailbox stay; a warning names them.
  - Nothing is reloaded.
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  local_part:
    description: The part before the @, lower case.
    type: str
    required: true
  owner:
    description: The service that owns the mailbox. Left out in a run by hand, which removes the mailbox whose ever it is.
    type: str
  shared_owner:
    description: The owner of the domain when it is not the mailbox's.
    type: str
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
  vmail_directory:
    description: Where the mail lies.
    type: path
    default: /var/vmail
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Remove the mailbox
  tenantry.hosting.mail_mailbox_absent:
    domain: shop.example
    local_part: info
    owner: s1001
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

import os  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_change,
    mail_names,
    mail_sessions,
    mail_store,
    mail_suspension,
    mail_trees,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "local_part": {"type": "str", "required": True},
    "owner": {"type": "str"},
    "shared_owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "vmail_directory": {"type": "path", "default": "/var/vmail"},
}
TABLES = ("main.mailboxes", "accounts.accounts")


def ensure(step: Step) -> None:
    """Check the input, remove the rows, then the mail."""
    params, directory = step.params, step.params["state_directory"]
    address = mail_names.address(params["local_part"], params["domain"])
    owner, shared_owner = grammar.owner(params["owner"]) or None, grammar.owner(params["shared_owner"], "shared_owner")
    if step.check_mode and not mail_store.exists(directory):
        return
    home = mail_change.home_of(params["vmail_directory"], params["domain"], params["local_part"])
    label = f"{owner or ''}:{address}"
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        with store.transaction():
            rows = [row for table in TABLES if (row := store.row(table, address))]
            if mail_change.left_alone(step, rows, owner, address):
                return
            if rows or ours(store, params["domain"], owner, shared_owner):
                warn_of_aliases(step, store, address)
                remove(step, store, address, home, label)
                forget(step, store, {str(row["owner"]) for row in rows}, shared_owner)
        mail_sessions.end(step, [address] if rows else [])
        if rows:
            mail_trees.set_aside(step, params["vmail_directory"], home, label)  # what a session made in between
        mail_trees.purge(step, params["vmail_directory"], label)
        if step.changed and not step.check_mode:
            mail_trees.remove_if_empty(os.path.dirname(home))


def ours(store: Store, domain: str, owner: str | None, shared_owner: str) -> bool:
    """Whether mail that lies there without a row can only be this owner's."""
    row = store.row("main.domains", domain)
    return owner is None or (row is not None and row["owner"] in (owner, shared_owner))


def warn_of_aliases(step: Step, store: Store, address: str) -> None:
    """Name the aliases that will lead nowhere."""
    found = store.select("SELECT DISTINCT address FROM main.aliases WHERE destination = ? LIMIT 10", address)
    if found:
        step.warnings.append(f"aliases still lead to {address}: " + ", ".join(row["address"] for row in found))


def remove(step: Step, store: Store, address: str, home: str, label: str) -> None:
    """Remove the rows and move the mail aside before that is committed, so that nobody ever gets another's mail."""
    for table in TABLES:
        mail_change.drop(step, store, table, "address = ?", address)
    mail_trees.set_aside(step, step.params["vmail_directory"], home, label)


def forget(step: Step, store: Store, owners: set[str], shared_owner: str) -> None:
    """Of an owner who had one mailbox in a shared domain, the suspension goes with it."""
    for owner in owners if shared_owner else ():
        mail_suspension.forget(step, store, owner)


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
