#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that a hosted domain, with all that is in it, has another name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_domain_renamed
short_description: Ensure that a hosted domain has another name
description:
  - Mailboxes, passwords, aliases and mail of O(former) become those of O(domain). Destinations of the owner's aliases follow.
  - The rows change in one transaction, then the folder is renamed; until then mail for the domain waits in the queue and nobody
    logs in, so a run that died in between is ended by the next one. Open sessions end. Nothing is reloaded.
  - The new name has no signing key yet (M(tenantry.hosting.mail_dkim) makes one); that of the former name stays until
    M(tenantry.hosting.mail_domain_absent) removes it.
options:
  domain:
    description: The new name in A-label form, lower case.
    type: str
    required: true
  former:
    description: The name it has had.
    type: str
    required: true
  owner:
    description: The service that owns the domain. Left out in a run by hand.
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
- name: Rename the domain
  tenantry.hosting.mail_domain_renamed:
    domain: shop.example
    former: old-shop.example
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
    mail_daemons,
    mail_keys,
    mail_names,
    mail_sessions,
    mail_store,
    mail_trees,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "former": {"type": "str", "required": True},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "dkim_directory": {"type": "path", "default": "/var/lib/tenantry/dkim"},
    "vmail_directory": {"type": "path", "default": "/var/vmail"},
}
CONTENTS = ("main.mailboxes", "main.aliases", "accounts.accounts")


def ensure(step: Step) -> None:
    """Check the input, rename the rows, then the folder."""
    params, directory = step.params, step.params["state_directory"]
    domain, former = grammar.domain(params["domain"]), grammar.domain(params["former"], "former")
    owner = grammar.owner(params["owner"]) or None
    if domain == former:
        raise grammar.refuse("former", "is the same as domain", "give another name")
    if mail_change.announced(step, directory, {("main.domains", domain): {"domain": domain}}):
        return
    label = f"{owner or ''}:{domain}"
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "postfix", "dovecot")
        with store.transaction():
            if expected(step, store, domain, former, owner):
                rename_rows(step, store, domain, former, label)
        finish(step, store, domain)
        mail_trees.purge(step, params["vmail_directory"], label)
        if not (step.check_mode and step.changed) and store.row("main.domains", domain):
            mail_change.require_map("domains", domain)
    mail_certificates.remove(step, former, owner or "")


def expected(step: Step, store: Store, domain: str, former: str, owner: str | None) -> bool:
    """Whether the rows have to be renamed: False when they are. What does not allow it ends the step."""
    old, new = store.row("main.domains", former), store.row("main.domains", domain)
    if new is not None:
        mail_change.require_owner(new, owner, domain)
        if old is not None and (owner is None or old["owner"] == owner):
            raise StepFailed("conflict", f"{domain} and {former} are both hosted here; remove one of them first")
        return False
    if old is None:
        if step.check_mode:
            return False
        raise grammar.refuse(
            "former", f"neither {former} nor {domain} is hosted on this node", "run mail.domain_present"
        )
    mail_change.require_owner(old, owner, former)
    if domain in mail_daemons.own_names():
        raise grammar.refuse("domain", f"{domain} is this server's own name", "choose another domain")
    require_alone(store, former, str(old["owner"]))
    return True


def require_alone(store: Store, former: str, owner: str) -> None:
    """Refuse to rename a domain in which others have mailboxes: their addresses would change."""
    for table in CONTENTS:
        found = store.select(f"SELECT owner FROM {table} WHERE domain = ? AND owner <> ? LIMIT 1", former, owner)
        if found:
            raise StepFailed("conflict", f"{former} holds mailboxes of {found[0]['owner']}; it cannot be renamed")


def rename_rows(step: Step, store: Store, domain: str, former: str, label: str) -> None:
    """Rename every row and what names the domain in the owner's aliases; the caller holds the transaction."""
    addresses = [row["address"] for row in store.select("SELECT address FROM main.mailboxes WHERE domain = ?", former)]
    for address in addresses:
        mail_names.address(address.partition("@")[0], domain)  # refuses what becomes too long
    step.note(
        f"mail domain {former}", "".join(f"{one}\n" for one in (former, *addresses)), f"{domain}, with all in it\n"
    )
    # No row of that name: what lies there is nobody's, and the mailboxes to come must not show it.
    vmail = step.params["vmail_directory"]
    mail_trees.set_aside(step, vmail, os.path.join(vmail, domain), label)
    if not step.check_mode:
        for table in CONTENTS:
            store.run(
                f"UPDATE {table} SET domain = ?, address = substr(address, 1, instr(address, '@')) || ? WHERE domain = ?",
                *(domain, domain, former),
            )
        follow(store, domain, former)
        store.run("UPDATE main.domains SET domain = ?, dkim_selector = NULL WHERE domain = ?", domain, former)
        store.run("UPDATE accounts.domains SET domain = ?, moved_from = ? WHERE domain = ?", domain, former, former)
    mail_keys.write_selectors(step, store, os.path.join(step.params["dkim_directory"], "selectors.map"), former, None)


def follow(store: Store, domain: str, former: str) -> None:
    """Let the destinations of the owner's aliases follow; what others lead here is theirs to change."""
    store.run(
        "UPDATE OR REPLACE main.aliases SET destination = substr(destination, 1, instr(destination, '@')) || ? "
        "WHERE substr(destination, instr(destination, '@') + 1) = ? "
        "AND owner = (SELECT owner FROM main.domains WHERE domain = ?)",
        *(domain, former, former),
    )


def finish(step: Step, store: Store, domain: str) -> None:
    """End the sessions, rename the folder and let mail and logins in again."""
    row = store.row("accounts.domains", domain)
    if row is None or row["moved_from"] is None:
        return
    origin, vmail = str(row["moved_from"]), step.params["vmail_directory"]
    if not step.changed:
        step.note(os.path.join(vmail, origin), "mail\n", f"-> {domain}\n")
    if step.check_mode:
        return
    boxes = store.select("SELECT local_part FROM accounts.accounts WHERE domain = ?", domain)
    mail_sessions.end(step, [f"{one['local_part']}@{name}" for one in boxes for name in (origin, domain)])
    if not mail_trees.rename(vmail, origin, domain):
        step.warnings.append(f"mail that came while {origin} became {domain} lies in {vmail}/{origin}")
    with store.transaction():
        store.run("UPDATE accounts.domains SET moved_from = NULL WHERE domain = ?", domain)


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
