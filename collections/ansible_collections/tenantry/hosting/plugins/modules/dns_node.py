#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that PowerDNS runs on this node with our configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_node
short_description: Ensure that PowerDNS runs on this node with our configuration
description:
  - Makes the API key and the SQLite database, writes the configuration and starts the unit. What is right stays untouched.
  - The configuration is read by PowerDNS before it goes live, and the former one comes back when the server does not answer.
  - The API listens on the loopback only. Its key is readable by root only and never leaves the node.
options:
  hostname:
    description: Name of this server, which it gives when it is asked for its identity.
    type: str
    required: true
  addresses:
    description:
      - Addresses that it answers at. Without any, or when the node has not all of them itself, it answers at every address.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure PowerDNS
  tenantry.hosting.dns_node:
    hostname: ns1.provider.example
    addresses: [192.0.2.53, "2001:db8::53"]
"""

RETURN = r"""
step_warnings:
  description: What somebody should look at.
  type: list
  elements: str
  returned: success
reason:
  description: Why the step failed, in one word.
  type: str
  returned: failure
  sample: config_broken
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_server  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "hostname": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
        }
    )
    step.run(lambda found: dns_server.ensure(found, dns_server.read(found.params)))


if __name__ == "__main__":
    main()
