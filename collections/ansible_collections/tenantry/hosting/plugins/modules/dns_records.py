#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure records of a DNS zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_records
short_description: Ensure records of a DNS zone
description:
  - Compares the given record sets with the zone on this node's PowerDNS and writes those that differ, together with the
    zone's serial, in one transaction. Records that are not named are left alone.
  - Nothing is written at a name at which another service has a record.
  - The serial never goes backwards. With neither records nor removals nothing is done.
  - Asks the server at every address it listens on, and takes the change back when the answer is wrong.
options:
  zone:
    description: Absolute name of a zone that is there already, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the records belong to. Empty for a zone that an engineer keeps by hand.
    type: str
    default: ""
  shared_owner:
    description:
      - Label of the service that the zone belongs to, when it is another one than C(owner). The job may then name the A and AAAA
        records of one name directly below the zone, and they are recorded as the owner's.
    type: str
    default: ""
  serial:
    description: The least serial the zone may have afterwards.
    type: int
    required: true
  rrsets:
    description: Record sets that have to be there, each as a whole.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Absolute name inside the zone.
        type: str
        required: true
      type:
        description: Type of the records.
        type: str
        required: true
      ttl:
        description: Seconds that an answer may be cached, 60 to 604800.
        type: int
        required: true
      records:
        description: The records' text. TXT is raw text without quotes; names end with a dot.
        type: list
        elements: str
        required: true
  remove:
    description: Record sets that may not be there.
    type: list
    elements: dict
    default: []
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
- name: Ensure records
  tenantry.hosting.dns_records:
    zone: shop.example.
    owner: s1001
    serial: 2026112402
    rrsets:
      - {name: www.shop.example., type: A, ttl: 3600, records: [192.0.2.10]}
      - {name: shop.example., type: TXT, ttl: 3600, records: ["v=spf1 mx -all"]}
    remove:
      - {name: old.shop.example., type: CNAME}
"""

RETURN = r"""
facts:
  description: The zone and its serial.
  type: dict
  returned: success
  sample: {zone: shop.example., serial: 2026112402}
reason:
  description: Why the step failed, in one word.
  type: str
  returned: failure
  sample: invalid
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_records  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

_KEY = {"name": {"type": "str", "required": True}, "type": {"type": "str", "required": True}}
_RRSET = {
    **_KEY,
    "ttl": {"type": "int", "required": True},
    "records": {"type": "list", "elements": "str", "required": True},
}


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "zone": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "shared_owner": {"type": "str", "default": ""},
            "serial": {"type": "int", "required": True},
            "rrsets": {"type": "list", "elements": "dict", "default": [], "options": _RRSET},
            "remove": {"type": "list", "elements": "dict", "default": [], "options": _KEY},
        }
    )
    step.run(lambda found: dns_records.ensure(found, dns_records.read(found.params)))


if __name__ == "__main__":
    main()
