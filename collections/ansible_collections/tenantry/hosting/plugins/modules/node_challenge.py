#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the small nginx of a node that serves no sites but whose names a CA validates over HTTP."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_challenge
short_description: Ensure an nginx that answers challenges of a CA and nothing else
description:
  - Makes nginx's folders and files, tested before they go live. nginx is reloaded and never restarted.
options:
  directories:
    description: Directories, parents first. They are root's.
    type: list
    elements: path
    required: true
  nginx_files:
    description:
      - Files below C(/etc/nginx), path to content.
      - The text C(@MARK@) in them becomes the mark by which the running nginx is recognised.
    type: dict
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure nginx
  tenantry.hosting.node_challenge:
    directories: [/etc/nginx/tenantry]
    nginx_files:
      /etc/nginx/nginx.conf: "{{ lookup('ansible.builtin.template', 'nginx/nginx.conf.j2') }}"
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import web_ground  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

NGINX = "/etc/nginx/"
ARGUMENTS = {
    "directories": {"type": "list", "elements": "path", "required": True},
    "nginx_files": {"type": "dict", "required": True},
}


def ensure(step: Step) -> None:
    """Ensure the folders, then nginx."""
    for path in (*step.params["directories"], *step.params["nginx_files"]):
        if not path.startswith(NGINX) or "/../" in path:
            raise refuse("nginx_files", f"{shown(path)} is no configuration of nginx", "leave it out")
    web_ground.require_nginx(step)
    for path in step.params["directories"]:
        step.directory(path)
    web_ground.ensure_nginx(step, step.params["nginx_files"])


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
