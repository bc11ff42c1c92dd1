#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that mail of a hosted domain is signed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_dkim
short_description: Ensure that mail of a hosted domain is DKIM-signed
description:
  - Makes the domain's key on this node, where it stays, names it to rspamd and lets the running rspamd sign a message with it.
  - A key that exists is kept and its public half reported again. Nothing is reloaded.
  - The domain has to be hosted here and to belong to the same owner.
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  selector:
    description: The selector, one DNS label.
    type: str
    required: true
  bits:
    description: Size of a new RSA key.
    type: int
    default: 2048
    choices: [2048, 3072, 4096]
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
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the signing key
  tenantry.hosting.mail_dkim:
    domain: shop.example
    selector: t1
    owner: s1001
"""

RETURN = r"""
facts:
  description: What the domain's DKIM record has to say.
  type: dict
  returned: success
  sample: {dkim: {domain: shop.example, selector: t1, public_key: MIIBIjANBgkq...}}
"""

import os  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_change,
    mail_daemons,
    mail_keys,
    mail_names,
    mail_store,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "selector": {"type": "str", "required": True},
    "bits": {"type": "int", "default": 2048, "choices": [2048, 3072, 4096]},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "dkim_directory": {"type": "path", "default": "/var/lib/tenantry/dkim"},
}


def ensure(step: Step) -> None:
    """Check the input, make the key, name it to rspamd, let rspamd sign."""
    domain = grammar.domain(step.params["domain"])
    selector = mail_names.selector(step.params["selector"])
    owner = grammar.owner(step.params["owner"]) or None
    directory, keys = step.params["state_directory"], step.params["dkim_directory"]
    if mail_change.announced(
        step, directory, {("main.domains", domain): {"domain": domain, "dkim_selector": selector}}
    ):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "rspamd")
        with store.transaction():
            mail_change.hosted(step, store, domain, owner)
        public = mail_keys.ensure_key(step, keys, domain, selector, step.params["bits"])
        if public:
            step.facts["dkim"] = {"domain": domain, "selector": selector, "public_key": public}
        before = choose(step, store, domain, selector)
        if not (step.check_mode and step.changed):
            prove(step, store, domain, selector, before)


def choose(step: Step, store: Store, domain: str, selector: str | None) -> str | None:
    """Make this the selector that the domain signs with and return the one before."""
    with store.transaction():
        row = store.row("main.domains", domain)
        before = row and row["dkim_selector"]
        if row is not None and before != selector:
            step.note(f"main.domains {domain}", f"dkim_selector = {before}\n", f"dkim_selector = {selector}\n")
            if not step.check_mode:
                store.put("main.domains", row | {"dkim_selector": selector})
        mail_keys.write_selectors(step, store, map_path(step), domain, selector)
    return before


def prove(step: Step, store: Store, domain: str, selector: str, before: str | None) -> None:
    """Let rspamd sign; when it does not, sign as before. The key stays for the next attempt."""
    try:
        mail_change.require_signature(domain, selector)
    except StepFailed as failure:
        if not step.check_mode:
            choose(step, store, domain, before)
        raise StepFailed("probe", f"{failure}; the selector was taken back") from None


def map_path(step: Step) -> str:
    """Return where rspamd reads which selector a domain signs with."""
    return os.path.join(step.params["dkim_directory"], "selectors.map")


def main() -> None:
    """Run the module."""

    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
