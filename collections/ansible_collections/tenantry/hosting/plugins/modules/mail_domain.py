#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that a domain is hosted on this mail node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_domain
short_description: Ensure that a domain is hosted on this mail node
description:
  - Writes the domain into the lookup tables of Postfix and Dovecot and asks the running Postfix for it.
  - Nothing is reloaded. A domain of another owner is left alone (reason C(conflict)).
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  quota_mb:
    description: Disk in MiB that no mailbox of the domain may exceed.
    type: int
    required: true
  mailboxes:
    description: How many mailboxes the domain may have.
    type: int
    required: true
  owner:
    description: The service that owns the domain. Left out in a run by hand, where an existing domain keeps its owner.
    type: str
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the domain
  tenantry.hosting.mail_domain:
    domain: shop.example
    quota_mb: 1024
    mailboxes: 5
    owner: s1001
"""

RETURN = r"""
facts:
  description: The domain as it is hosted.
  type: dict
  returned: success
  sample: {mail_domain: {domain: shop.example, quota_mb: 1024, mailboxes: 5}}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_change,
    mail_daemons,
    mail_store,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "quota_mb": {"type": "int", "required": True},
    "mailboxes": {"type": "int", "required": True},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
}


def ensure(step: Step) -> None:
    """Check the input, write the rows, ask Postfix."""
    directory = step.params["state_directory"]
    domain = grammar.domain(step.params["domain"])
    quota_mb = grammar.whole(step.params["quota_mb"], "quota_mb", 1, 2**40)
    mailboxes = grammar.whole(step.params["mailboxes"], "mailboxes", 0, 100_000)
    owner = grammar.owner(step.params["owner"]) or None
    account = {"domain": domain, "owner": owner or "", "quota_mb": quota_mb}
    wanted = {
        ("main.domains", domain): account | {"mailboxes": mailboxes, "active": 1},
        ("accounts.domains", domain): account,
    }
    step.facts["mail_domain"] = {"domain": domain, "quota_mb": quota_mb, "mailboxes": mailboxes}
    if mail_change.announced(step, directory, wanted):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "postfix")
        if domain in mail_daemons.own_names():
            raise grammar.refuse("domain", f"{domain} is this server's own name", "choose another domain")
        with store.transaction():
            keeper = mail_change.require_owner(store.row("main.domains", domain), owner, domain)
            before = mail_change.compare_and_put(step, store, mail_change.kept_by(keeper, wanted))
        mail_change.probed(step, store, before, lambda: mail_change.require_map("domains", domain))


def main() -> None:
    """Run the module."""

    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
