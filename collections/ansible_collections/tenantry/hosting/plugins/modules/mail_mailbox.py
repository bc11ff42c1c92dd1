#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure a mailbox of a hosted domain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_mailbox
short_description: Ensure a mailbox of a hosted domain
description:
  - Writes the mailbox into the lookup tables of Postfix and Dovecot, in one transaction, and asks both running daemons for it.
  - Nothing is reloaded. The mailbox's folder is made by Dovecot at the first delivery or login.
  - The domain has to be hosted here and to belong to the same owner, or to O(shared_owner).
  - A mailbox that is switched off lets nobody log in or submit, and ends open sessions. It still takes mail.
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  local_part:
    description: The part before the @, lower case.
    type: str
    required: true
  password_hash:
    description: The password's hash with its scheme, for example C({BLF-CRYPT}$2b$10$...).
    type: str
    required: true
  quota_mb:
    description: Disk in MiB; the domain's quota_mb is the upper bound that counts.
    type: int
    required: true
  display_name:
    description: The person's name.
    type: str
    default: ""
  enabled:
    description: Whether anybody may log in and submit.
    type: bool
    default: true
  shared_owner:
    description: The owner of the domain when it is not the mailbox's. Nothing of the domain or of its other mailboxes changes.
    type: str
  owner:
    description: The service that owns the mailbox. Left out in a run by hand, where it is the domain's owner.
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
- name: Ensure the mailbox
  tenantry.hosting.mail_mailbox:
    domain: shop.example
    local_part: info
    password_hash: "{{ mail_mailbox_password_hash }}"
    quota_mb: 512
    owner: s1001
"""

RETURN = r"""
facts:
  description: The mailbox.
  type: dict
  returned: success
  sample: {mailbox: {address: info@shop.example, quota_mb: 512}}
"""

from typing import Any  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_aliases,
    mail_change,
    mail_daemons,
    mail_names,
    mail_sessions,
    mail_store,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "local_part": {"type": "str", "required": True},
    "password_hash": {"type": "str", "required": True, "no_log": True},
    "quota_mb": {"type": "int", "required": True},
    "display_name": {"type": "str", "default": ""},
    "enabled": {"type": "bool", "default": True},
    "shared_owner": {"type": "str"},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "vmail_directory": {"type": "path", "default": "/var/vmail"},
}
Columns = dict[str, Any]


def checked(params: dict[str, Any]) -> Columns:
    """Return the account's row; the first value that breaks its grammar ends the step."""
    return {
        "address": mail_names.address(params["local_part"], params["domain"]),
        "domain": params["domain"],
        "local_part": params["local_part"],
        "owner": grammar.owner(params["owner"]),
        "password_hash": mail_names.password_hash(params["password_hash"]),
        "quota_mb": grammar.whole(params["quota_mb"], "quota_mb", 1, 2**40),
        "display_name": mail_names.display_name(params["display_name"]),
        "active": int(params["enabled"]),
    }


def permitted(step: Step, store: Store, account: Columns) -> str:
    """Return who will own the mailbox, once the domain, the owner and the number of mailboxes allow it."""
    owner, address = step.params["owner"], account["address"]
    shared_owner = grammar.owner(step.params["shared_owner"], "shared_owner")
    domain = mail_change.hosted(step, store, account["domain"], shared_owner or owner)
    now = store.row("main.mailboxes", address) or store.row("accounts.accounts", address)
    keeper = mail_change.require_owner(now, owner, address)
    mail_aliases.require_room(store, address, keeper or owner)
    if domain is not None and now is None and not shared_owner:
        require_number(store, domain)
    return keeper or str((domain or {}).get("owner", ""))


def require_number(store: Store, domain: mail_store.Row) -> None:
    """Refuse one mailbox more than the domain may have. Those of others, in a domain that is shared, do not count."""
    query = "SELECT count(*) AS n FROM main.mailboxes WHERE domain = ? AND owner = ?"
    if store.select(query, domain["domain"], domain["owner"])[0]["n"] >= domain["mailboxes"]:
        raise grammar.refuse("mailboxes", "the limit of %d is reached" % domain["mailboxes"], "raise it first")


def ensure(step: Step) -> None:
    """Check the input, write the rows, ask Postfix and Dovecot."""
    directory, account = step.params["state_directory"], checked(step.params)
    address = account["address"]
    box = {name: account[name] for name in ("address", "domain", "owner", "active")}
    wanted = {("main.mailboxes", address): box, ("accounts.accounts", address): account}
    step.facts["mailbox"] = {"address": address, "quota_mb": account["quota_mb"]}
    if mail_change.announced(step, directory, wanted):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "postfix", "dovecot")
        with store.transaction():
            keeper = permitted(step, store, account)
            before = mail_change.compare_and_put(step, store, mail_change.kept_by(keeper, wanted))
        home = mail_change.home_of(step.params["vmail_directory"], account["domain"], account["local_part"])
        mail_change.probed(step, store, before, lambda: probe(address, home))
        if not account["active"]:
            mail_sessions.end(step, [address])


def probe(address: str, home: str) -> None:
    """Ask both daemons for the mailbox."""
    mail_change.require_map("mailboxes", address)
    mail_change.require_user(address, home)


def main() -> None:
    """Run the module."""

    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
