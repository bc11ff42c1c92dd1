#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that nginx serves a domain of an account, or that it does not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_domain
short_description: Ensure that nginx serves a domain of an account, or that it does not
description:
  - Writes one vhost file for the domain and all its names, on ports 80 and 443, IPv4 and IPv6. No other file is touched.
  - Port 443 answers with a placeholder certificate until the site has one of its own.
  - A name that another site has already is refused.
  - C(absent) takes the file, the certificate's folder and, with the account's last site, what said which PHP answers. A domain
    that by now belongs to somebody else is left alone with a warning.
options:
  state:
    description: Whether the site is to be there.
    type: str
    choices: [present, absent]
    default: present
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  domain:
    description: The domain, as A-labels in lower case.
    type: str
    required: true
  names:
    description: All names the site answers to; the domain itself always is one of them.
    type: list
    elements: str
    default: []
  document_root:
    description: The folder below the account's home that is served, C(www) or one in it.
    type: str
    default: www
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the site
  tenantry.hosting.web_domain:
    username: w1001
    domain: shop.test
    names: [shop.test, www.shop.test]
"""

RETURN = r"""
facts:
  description: The names that are served and the certificate in use; empty after a removal
  type: dict
  returned: success
  sample: {names: [shop.test, www.shop.test], certificate: placeholder}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    web_account,
    web_certificates,
    web_names,
    web_nginx,
    web_probe,
    web_render,
    web_sites,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "username": {"type": "str", "required": True},
    "domain": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "document_root": {"type": "str", "default": "www"},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Ensure the folders that the vhost needs, then the vhost in the running nginx."""
    params = step.params
    username = web_names.username(params["username"])
    names = web_names.site_names(params["domain"], params["names"])
    document_root = web_names.document_root(params["document_root"])
    domain, owner = names[0], grammar.owner(params["owner"])
    account = web_account.require(step, username, owner)
    owner = web_sites.require_free(domain, names, username, account["owner"])
    if not step.check_mode:
        web_nginx.require_prepared()
    step.directory(f"{web_account.LOGS}/{username}", 0o750, 0, username)
    certificate = web_certificates.ensure(step, domain, username, owner)
    text, mark = web_render.site(domain, names, username, owner, document_root)
    web_nginx.apply(step, {web_sites.path_of(domain): text}, lambda: mark in web_probe.loaded_marks(domain))
    step.facts = {"domain": domain, "names": names, "certificate": certificate}


def remove(step: Step) -> None:
    """Ensure that nginx does not serve the domain for this account, and then that its certificate is gone."""
    username = web_names.username(step.params["username"])
    domain, owner = grammar.domain(step.params["domain"]), grammar.owner(step.params["owner"])
    if holder := holder_of_other(domain, username, owner):
        step.warnings.append(f"left alone: {domain} belongs to {holder}")
        return
    web_sites.withdraw(step, username, [domain])
    web_certificates.remove(step, domain, username, owner)


def holder_of_other(domain: str, username: str, owner: str) -> str:
    """Return who has the domain when that is not this account of this owner, otherwise ""."""
    for site in web_sites.every():
        if site.path == web_sites.path_of(domain):
            if site.about is None:
                return "somebody's own file"
            holder = str(site.about.get("owner", ""))
            is_other = site.about.get("username") != username or web_account.is_foreign(holder, owner)
            return (holder or "another account") if is_other else ""
    return ""


def main() -> None:
    """Run the module."""
    step = Step(ARGUMENTS)
    step.run(remove if step.params["state"] == "absent" else ensure)


if __name__ == "__main__":
    main()
