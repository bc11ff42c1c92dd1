#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that a domain and everything in it is gone from this mail node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_domain_absent
short_description: Ensure that a domain and everything in it is gone from this mail node
description:
  - Removes the domain with its mailboxes and aliases from the lookup tables of Postfix and Dovecot, ends their sessions, moves
    the mail aside and deletes it, and removes the signing keys. With the last thing of an owner go its suspension and what that
    holds.
  - A domain of another owner is left alone, with a warning. One in which others have mailboxes is refused (reason C(conflict)).
  - Mail in the queue is left; it goes back to its senders. Nothing is reloaded.
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  owner:
    description: The service that owns the domain. Left out in a run by hand, which removes the domain whose ever it is.
    type: str
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
  dkim_directory:
    description: Where the keys lie.
    type: path
    default: /var/lib/tenantry/dkim
  vmail_directory:
    description: Where the mail lies.
    type: path
    default: /var/vmail
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Remove the domain
  tenantry.hosting.mail_domain_absent:
    domain: shop.example
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
    mail_certificates,
    mail_change,
    mail_keys,
    mail_sessions,
    mail_store,
    mail_suspension,
    mail_trees,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Row, Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "dkim_directory": {"type": "path", "default": "/var/lib/tenantry/dkim"},
    "vmail_directory": {"type": "path", "default": "/var/vmail"},
}
DOMAINS = ("main.domains", "accounts.domains")
CONTENTS = ("main.mailboxes", "main.aliases", "accounts.accounts")


def ensure(step: Step) -> None:
    """Check the input, remove the rows, then the mail and the keys."""
    directory, domain = step.params["state_directory"], grammar.domain(step.params["domain"])
    owner = grammar.owner(step.params["owner"]) or None
    if step.check_mode and not mail_store.exists(directory):
        return
    label = f"{owner or ''}:{domain}"
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        with store.transaction():
            rows = [row for table in DOMAINS if (row := store.row(table, domain))]
            inside = [row for table in CONTENTS for row in of_domain(store, table, domain)]
            if not mine(step, rows, inside, owner, domain):
                return
            remove(step, store, domain, rows, label)
        mail_sessions.end(step, sorted({str(row["address"]) for row in inside if "destination" not in row}))
        folders(step, domain, rows, label)  # again: what a session made in between
        mail_trees.purge(step, step.params["vmail_directory"], label)
        mail_trees.remove_tree(step, os.path.join(step.params["dkim_directory"], domain))
        require_gone(step, domain)
    mail_certificates.remove(step, domain, owner or "")


def of_domain(store: Store, table: str, domain: str) -> list[Row]:
    """Return the rows of a domain."""
    return store.select(f"SELECT * FROM {table} WHERE domain = ?", domain)


def mine(step: Step, rows: list[Row], inside: list[Row], owner: str | None, domain: str) -> bool:
    """Whether the owner may remove the domain; what others have in the owner's domain has to go first."""
    if mail_change.left_alone(step, rows or inside, owner, domain):
        return False
    others = sorted({str(row["owner"]) for row in inside if owner is not None and row["owner"] != owner})
    if others:
        raise StepFailed("conflict", f"{domain} holds mailboxes of {', '.join(others)[:200]}; remove them first")
    return True


def remove(step: Step, store: Store, domain: str, rows: list[Row], label: str) -> None:
    """Remove the rows; the map of keys and the mail follow before that is committed, so that nobody gets another's."""
    for table in (*CONTENTS, *DOMAINS):
        mail_change.drop(step, store, table, "domain = ?", domain)
    mail_keys.write_selectors(step, store, os.path.join(step.params["dkim_directory"], "selectors.map"), domain, None)
    folders(step, domain, rows, label)
    for owner in {str(row["owner"]) for row in rows}:
        mail_suspension.forget(step, store, owner)


def folders(step: Step, domain: str, rows: list[Row], label: str) -> None:
    """Move the domain's mail aside, and what a change of its name that did not end has left under the former one."""
    vmail = step.params["vmail_directory"]
    for name in (domain, *(row["moved_from"] for row in rows if row.get("moved_from"))):
        mail_trees.set_aside(step, vmail, os.path.join(vmail, name), label)


def require_gone(step: Step, domain: str) -> None:
    """Ask the running Postfix whether it still takes mail for the domain."""
    if step.check_mode:
        return
    code, output = Step.probe(
        ["postmap", "-q", domain, mail_change.map_of("domains")], timeout=mail_change.PROBE_SECONDS
    )
    if code == 0:
        raise StepFailed("probe", f"Postfix still hosts {domain}: {tail(output)}")


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
