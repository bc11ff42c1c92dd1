#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that nginx serves a domain of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_domain
short_description: Ensure that nginx serves a domain of an account
description:
  - Writes one vhost file for the domain and all its names, on ports 80 and 443, IPv4 and IPv6. No other file is touched.
  - Port 443 answers with a placeholder certificate until the site has one of its own.
  - A name that another site has already is refused.
options:
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
  description: The names that are served and the certificate in use
  type: dict
  returned: success
  sample: {names: [shop.test, www.shop.test], certificate: placeholder}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    files,
    grammar,
    web_account,
    web_links,
    web_names,
    web_nginx,
    web_probe,
    web_render,
    web_sites,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "domain": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "document_root": {"type": "str", "default": "www"},
    "owner": {"type": "str"},
}
PLACEHOLDER = "/etc/tenantry/tls/node/web/placeholder"


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
    certificate = ensure_folders(step, username, domain)
    text, mark = web_render.site(domain, names, username, owner, document_root)
    web_nginx.apply(step, {web_sites.path_of(domain): text}, lambda: mark in web_probe.loaded_marks(domain))
    step.facts = {"domain": domain, "names": names, "certificate": certificate}


def ensure_folders(step: Step, username: str, domain: str) -> str:
    """Ensure where the logs and the certificate lie; return "placeholder" or "own"."""
    step.directory(f"{web_account.LOGS}/{username}", 0o750, 0, username)
    folder = f"{web_account.CERTIFICATES}/{domain}"
    step.directory(folder, 0o700)
    if step.check_mode and files.directory_state(folder) is None:
        return "placeholder"
    target = web_links.ensure_some(step, f"{folder}/current", PLACEHOLDER)
    return "placeholder" if target == PLACEHOLDER else "own"


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
