#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure what answers behind the names of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_proxy
short_description: Ensure what answers behind the names of an account
description:
  - C(static) serves the files of the account. C(php) serves them and runs PHP. C(reverse) hands every request to a program of the
    account on this node's loopback.
  - The pages are asked for by name afterwards, on ports 80 and 443; a template that cannot answer is put back.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  template:
    description: What answers.
    type: str
    choices: [static, php, reverse]
    required: true
  upstream:
    description: Where the program of C(reverse) listens, for example C(http://127.0.0.1:3000).
    type: str
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure that PHP answers
  tenantry.hosting.web_proxy:
    username: w1001
    template: php
"""

RETURN = r"""
facts:
  description: The template and the status of the front page of each site
  type: dict
  returned: success
  sample: {template: php, pages: {shop.test: 200}}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    files,
    grammar,
    web_account,
    web_listeners,
    web_names,
    web_nginx,
    web_probe,
    web_render,
    web_sites,
    web_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "template": {"type": "str", "required": True, "choices": ["static", "php", "reverse"]},
    "upstream": {"type": "str"},
    "owner": {"type": "str"},
}
GATEWAY_FAILED = (502, 504)
PAGES = 5  # of one account: a step asks for no more


def ensure(step: Step) -> None:
    """Ensure the template in the running nginx and ask for the pages."""
    params = step.params
    username, template = web_names.username(params["username"]), params["template"]
    target = checked_target(template, params["upstream"])
    account = web_account.require(step, username, grammar.owner(params["owner"]))
    if target:
        web_listeners.require_own(target, account["uid"])
    socket = php_socket(username) if template == "php" and not step.check_mode else ""
    if web_suspension.is_suspended(username):
        socket = ""  # it sleeps, and may not be woken to be asked
    domains = [str((site.about or {})["domain"]) for site in web_sites.of_user(username)]
    text, mark = web_render.proxy_snippet(username, account["owner"], template, target)
    path = f"{web_nginx.TREE}/proxy/{username}.conf"
    web_nginx.apply(
        step,
        {path: text},
        lambda: not domains or mark in web_probe.loaded_marks(domains[0]),
        lambda: require_answers(template, domains, socket),
    )
    step.facts = {"template": template}
    if not step.check_mode:
        step.facts["pages"] = statuses(step, username, domains)


def require_answers(template: str, domains: list[str], socket: str) -> None:
    """Refuse a template under which nginx finds nobody behind it; what the pages themselves say is their own affair."""
    if socket and not web_probe.php_mark(socket):
        raise StepFailed("probe", f"PHP does not answer at {socket}")
    for domain in domains[:1]:
        if not web_probe.loaded_marks(domain, tls=True):
            raise StepFailed("probe", f"{domain} does not answer on port 443")
        status = web_probe.page(domain, tls=True)[0]  # in clear the answer may be a redirect
        if template != "reverse" and status in GATEWAY_FAILED:
            raise StepFailed("probe", "%s answers %d: nothing runs behind nginx" % (domain, status))


def statuses(step: Step, username: str, domains: list[str]) -> dict[str, int]:
    """Return the status of each site's front page, with a warning for those that fail."""
    pages = {domain: web_probe.page(domain, tls=True)[0] for domain in domains[:PAGES]}
    wanted = web_suspension.STATUS if web_suspension.is_suspended(username) else 0
    for domain, status in pages.items():
        if status != wanted and (status == 0 or status >= 500):
            step.warnings.append("the front page of %s answers %s" % (domain, status or "nothing"))
    return pages


def checked_target(template: str, upstream: str | None) -> tuple[str, int] | None:
    """Return (host, port) of a reverse proxy; an upstream without one is refused."""
    if template == "reverse":
        return web_names.upstream(upstream)
    if upstream:
        raise grammar.refuse("upstream", f"the template {template} has none", "leave it out or use reverse")
    return None


def php_socket(username: str) -> str:
    """Return where the account's PHP listens; an account without it is refused."""
    content = files.read_state(f"{web_nginx.TREE}/php/{username}.conf").content or b""
    about = web_render.parse_header(content.decode("utf-8", "replace"))
    if about is None:
        raise StepFailed("missing_software", f"the account {username} has no PHP yet; run web.php_present")
    return web_render.socket(username, str(about["version"]))


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
