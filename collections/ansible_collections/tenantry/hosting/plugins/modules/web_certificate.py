#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that a site shows a certificate of its own, or the node's placeholder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_certificate
short_description: Ensure that a site shows a certificate of its own, or the node's placeholder
description:
  - Checks that key, chain, serial and names belong together, and tests nginx's whole configuration with the pair in it.
  - Key and chain lie in a folder that only root reads. One link leads to the pair in use, and nginx is reloaded, never restarted.
  - Then every name is asked for by a TLS handshake on the node. What is not shown is taken back, the former one stays.
  - With C(redirect) requests in clear for these names are sent to HTTPS, the CA's own questions excepted.
  - C(absent) goes back to the placeholder. A site that by now belongs to somebody else is left alone with a warning.
options:
  state:
    description: Whether the certificate is to be there.
    type: str
    choices: [present, absent]
    default: present
  site:
    description: The site's domain, as C(web_domain) has it.
    type: str
    required: true
  names:
    description: The names the certificate is for. Those that the site does not serve are told in a warning.
    type: list
    elements: str
    default: []
  redirect:
    description: Whether requests in clear are sent to HTTPS.
    type: bool
    default: false
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step, tenantry.hosting.certificate]
"""

EXAMPLES = r"""
- name: Ensure the certificate
  tenantry.hosting.web_certificate:
    site: shop.test
    names: [shop.test, www.shop.test]
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
    web_account,
    web_certificates,
    web_nginx,
    web_sites,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "site": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    **certificate_pair.SPEC,
    "redirect": {"type": "bool", "default": False},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Ensure that every name of the certificate that the site serves shows it."""
    domain, owner = grammar.domain(step.params["site"], "site"), grammar.owner(step.params["owner"])
    names = certificate_pair.names(step.params["names"])
    pair = certificate_pair.read(step, names)
    site = site_of(domain)
    if site is None and not step.check_mode:
        web_nginx.require_prepared()
        raise StepFailed("missing_software", f"this node does not serve {domain}; run web.domain_present first")
    if site is not None:
        owner = web_account.require_owner(domain, str((site.about or {}).get("owner", "")), owner)
        names = served(step, site, names)
    web_certificates.install(step, domain, owner, names, pair, step.params["redirect"])
    step.facts = pair.facts()


def site_of(domain: str) -> web_sites.Site | None:
    """Return the site of a domain; one that is not ours is a conflict."""
    for site in web_sites.every():
        if site.path == web_sites.path_of(domain):
            if site.about is None:
                raise StepFailed("conflict", f"{domain} is served by somebody's own file; nothing was changed")
            return site
    return None


def served(step: Step, site: web_sites.Site, names: list[str]) -> list[str]:
    """Return which of the names the site serves: for the others another one answers, or none."""
    found = [name for name in names if name in site.names]
    if not found:
        raise grammar.refuse("names", f"{site.domain} serves none of them", "run web.domain_present with its names")
    for name in names:
        if name not in found:
            step.warnings.append(f"{site.domain} does not serve {name}, for which the certificate is, too")
    return found


def remove(step: Step) -> None:
    """Ensure that the site shows the placeholder."""
    domain, owner = grammar.domain(step.params["site"], "site"), grammar.owner(step.params["owner"])
    site = site_of(domain)
    if site is None:
        return
    holder = str((site.about or {}).get("owner", ""))
    if web_account.is_foreign(holder, owner):
        step.warnings.append(f"left alone: {domain} belongs to {holder}")
        return
    web_certificates.uninstall(step, domain)


def main() -> None:
    """Run the module."""
    step = Step(ARGUMENTS)
    step.run(remove if step.params["state"] == "absent" else ensure)


if __name__ == "__main__":
    main()
