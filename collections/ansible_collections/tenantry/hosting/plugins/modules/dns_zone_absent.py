#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Remove a DNS zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_absent
short_description: Remove a DNS zone
description:
  - Removes the zone from this node's PowerDNS with its records, comments, settings and keys, and the mark of a withdrawn one.
  - A missing zone is no failure. One of another owner is left alone with a warning.
  - A zone in which another service has a record is refused.
  - Asks the server at every address it listens on; it has to refuse questions for the zone.
options:
  zone:
    description: Absolute name, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the zone belongs to. Without it the named zone is removed, whoever has it.
    type: str
    default: ""
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure that the zone is gone
  tenantry.hosting.dns_zone_absent:
    zone: shop.example.
    owner: s1001
"""

RETURN = r"""
facts:
  description: The zone.
  type: dict
  returned: success
  sample: {zone: shop.example.}
step_warnings:
  description: What was left alone because it belongs to somebody else.
  type: list
  elements: str
  returned: success
reason:
  description: Why the step failed, in one word.
  type: str
  returned: failure
  sample: conflict
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_removal, dns_withdrawal  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402


def main() -> None:
    """Entry point."""
    step = Step({"zone": {"type": "str", "required": True}, "owner": {"type": "str", "default": ""}})
    step.run(lambda found: dns_removal.remove_zone(found, dns_withdrawal.read(found.params)))


if __name__ == "__main__":
    main()
