#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Report how a node is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_status
short_description: Report load, processor, memory, disks, versions and whether a node wants a reboot
description:
  - Reads only; it keeps one note of its own in C(/var/lib/tenantry/usage), to tell the processor's share between two looks.
options:
  roles:
    description: Roles of the node; they say which packages are reported.
    type: list
    elements: str
    choices: [web, mail, dns]
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Report how the node is
  tenantry.hosting.server_status:
    roles: [web]
"""

RETURN = r"""
usage:
  description: How the node is.
  type: dict
  returned: success
  sample: {server: {load: {load1: 0.1, load5: 0.1, load15: 0.1, processors: 2}, busy: 0.05, memory: {}, disks: {},
    packages: {nginx-light: "1.22"}, reboot_needed: false, uptime: 3600, kernel: 6.1.0}}
"""

import os  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import usage_server, usage_state  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {"roles": {"type": "list", "elements": "str", "choices": ["web", "mail", "dns"], "required": True}}


def report(step: Step) -> None:
    """Look at everything once."""
    with usage_state.opened(step, "server") as state:
        busy = usage_server.processor(state)
    step.usage = {
        "server": {
            "load": usage_server.load(),
            "busy": busy,
            "memory": usage_server.memory(),
            "disks": usage_server.disks(),
            "packages": usage_server.packages(step, step.params["roles"]),
            "reboot_needed": usage_server.reboot_needed(),
            "uptime": usage_server.uptime(),
            "kernel": os.uname().release,
        }
    }


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(report)


if __name__ == "__main__":
    main()
