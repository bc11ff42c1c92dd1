#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Remove records of a DNS zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_records_absent
short_description: Remove records of a DNS zone
description:
  - Removes the named record sets and writes the zone's serial, in one transaction. Nothing else changes.
  - A zone or record set that is missing is no failure. What belongs to another service is left alone with a warning.
  - The zone's own SOA and NS records cannot be named.
options:
  zone:
    description: Absolute name, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the records belong to. Without it the named records are removed, whoever has them.
    type: str
    default: ""
  shared_owner:
    description:
      - Label of the service that the zone belongs to, when it is another one than C(owner). The job may then name the A and AAAA
        records of one name directly below the zone.
    type: str
    default: ""
  serial:
    description: The least serial the zone may have afterwards.
    type: int
    required: true
  remove:
    description: Record sets that may not be there.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Absolute name inside the zone.
        type: str
        required: true
      type:
        description: Type of the records.
        type: str
        required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure that a record is gone
  tenantry.hosting.dns_records_absent:
    zone: shop.example.
    owner: s1001
    serial: 2026112403
    remove:
      - {name: blog.shop.example., type: CNAME}
"""

RETURN = r"""
facts:
  description: The zone and its serial, when the zone is there and the service's.
  type: dict
  returned: success
  sample: {zone: shop.example., serial: 2026112403}
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

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_records, dns_removal  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

_KEY = {"name": {"type": "str", "required": True}, "type": {"type": "str", "required": True}}


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "zone": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "shared_owner": {"type": "str", "default": ""},
            "serial": {"type": "int", "required": True},
            "remove": {"type": "list", "elements": "dict", "required": True, "options": _KEY},
        }
    )
    step.run(lambda found: dns_removal.remove_records(found, dns_records.read(found.params)))


if __name__ == "__main__":
    main()
