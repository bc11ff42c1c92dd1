#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that Postfix and Dovecot show a certificate for the names of a mail domain, or the node's own one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_certificate
short_description: Ensure that Postfix and Dovecot show a certificate for a mail domain's names
description:
  - Checks that key, chain, serial and names belong together, and lets Dovecot check its whole configuration with the pair in it.
  - Postfix gets a new table of certificates, made with C(postmap -F); Dovecot gets one file a domain and a reload.
  - Then 465, 587, 993 and 143 are asked for the certificate. One that is not shown is taken back, the former one stays.
  - C(absent) goes back to the node's own certificate. One that belongs to somebody else is left alone with a warning.
options:
  state:
    description: Whether the certificate is to be there.
    type: str
    choices: [present, absent]
    default: present
  domain:
    description: The mail domain.
    type: str
    required: true
  names:
    description: The names the certificate is for, such as C(mail.shop.example). They need not end in the domain.
    type: list
    elements: str
    default: []
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
extends_documentation_fragment: [tenantry.hosting.step, tenantry.hosting.certificate]
"""

EXAMPLES = r"""
- name: Ensure the certificate
  tenantry.hosting.mail_certificate:
    domain: shop.example
    names: [mail.shop.example]
    certificate: "{{ job.params.certificate }}"
    private_key: "{{ job.params.private_key }}"
    serial: 3a5f
"""

RETURN = r"""
facts:
  description: Serial and end of the certificate that is shown; empty after a removal
  type: dict
  returned: success
  sample: {serial: 3a5f, not_after: "2027-02-23T17:00:00+00:00"}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    certificate_pair,
    grammar,
    mail_certificates,
    mail_change,
    mail_store,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "domain": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    **certificate_pair.SPEC,
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
}


def ensure(step: Step) -> None:
    """Ensure that every name shows the certificate."""
    domain, owner = grammar.domain(step.params["domain"]), grammar.owner(step.params["owner"])
    names = certificate_pair.names(step.params["names"])
    pair = certificate_pair.read(step, names)
    mail_certificates.install(step, domain, keeper(step, domain, owner), names, pair)
    step.facts = pair.facts()


def keeper(step: Step, domain: str, owner: str) -> str:
    """Return whose the mail domain is; one that is not here, or another's, is refused."""
    directory = step.params["state_directory"]
    if step.check_mode and not mail_store.exists(directory):
        return owner
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        row = mail_change.hosted(step, store, domain, owner or None)
    return str(row["owner"]) if row else owner


def remove(step: Step) -> None:
    """Ensure that the names show the node's own certificate."""
    mail_certificates.remove(step, grammar.domain(step.params["domain"]), grammar.owner(step.params["owner"]))


def main() -> None:
    """Run the module."""
    step = Step(ARGUMENTS)
    step.run(remove if step.params["state"] == "absent" else ensure)


if __name__ == "__main__":
    main()
