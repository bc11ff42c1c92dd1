#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the PHP of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_php
short_description: Ensure the PHP of an account
description:
  - Every account has a PHP-FPM of its own that runs as the account's user from its first process on, in a file system where no
    other account's home exists, within the limits of the account's slice. It starts at the first request.
  - The new configuration is tested before it goes live, and asked for afterwards; what does not work is put back.
  - Another version starts first, then nginx is pointed at it, then the old one ends.
  - While the account is suspended everything is made ready and nothing starts.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  version:
    description: PHP version, for example 8.2. One that is not installed is refused.
    type: str
    required: true
  memory_mb:
    description: Memory of one request in MiB.
    type: int
    default: 128
  workers:
    description: Requests at once.
    type: int
    default: 5
  disabled_functions:
    description: PHP functions that do not exist for the account.
    type: list
    elements: str
    default: []
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the account's PHP
  tenantry.hosting.web_php:
    username: w1001
    version: "8.2"
    memory_mb: 256
"""

RETURN = r"""
facts:
  description: The version in use
  type: dict
  returned: success
  sample: {php_version: "8.2"}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    grammar,
    web_account,
    web_names,
    web_nginx,
    web_php,
    web_probe,
    web_render,
    web_sites,
    web_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "memory_mb": {"type": "int", "default": 128},
    "workers": {"type": "int", "default": 5},
    "disabled_functions": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Ensure the account's PHP-FPM, that nginx knows it, and that no other version is left."""
    params = step.params
    username, version = web_names.username(params["username"]), web_names.php_version(params["version"])
    memory_mb = grammar.whole(params["memory_mb"], "memory_mb", 16, 8192)
    workers = grammar.whole(params["workers"], "workers", 1, 500)
    disabled = web_names.php_functions(params["disabled_functions"])
    account = web_account.require(step, username, grammar.owner(params["owner"]))
    web_php.require_version(step, version)
    pool = web_render.pool(username, account["owner"], version, memory_mb, workers, disabled)
    with daemon.serialised(f"php-{username}", step.check_mode):
        web_php.ensure_running(step, username, version, *pool, asleep=web_suspension.is_suspended(username))
        point_nginx(step, username, account["owner"], version)
        web_php.end_others(step, username, version)
    step.facts = {"php_version": version}


def point_nginx(step: Step, username: str, owner: str, version: str) -> None:
    """Ensure that the account's sites use this PHP; without a site nginx has nothing to load."""
    text, mark = web_render.php_snippet(username, owner, version)
    sites: list[web_sites.Site] = []

    def has_site() -> bool:  # asked when nobody else can write one
        sites[:] = web_sites.of_user(username)
        return bool(sites)

    def is_loaded() -> bool:
        return mark in web_probe.loaded_marks(str((sites[0].about or {})["domain"]))

    web_nginx.apply(step, {f"{web_nginx.TREE}/php/{username}.conf": text}, is_loaded, is_read=has_site)


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
