#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure a DNS zone with its SOA and NS records."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone
short_description: Ensure a DNS zone with its SOA and NS records
description:
  - Makes the zone on this node's PowerDNS, or corrects its SOA and NS records. Other records are left alone.
  - A zone that was withdrawn gets all this too and stays withdrawn.
  - The serial never goes backwards. A zone of another owner, or one above or below it, is refused.
  - Asks the server at every address it listens on, and takes the change back when the answer is wrong.
options:
  zone:
    description: Absolute name, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the zone belongs to. Empty for a zone that an engineer keeps by hand.
    type: str
    default: ""
  nameservers:
    description: Absolute names of the servers that have this zone.
    type: list
    elements: str
    required: true
  soa:
    description: The SOA record but its serial; times in seconds.
    type: dict
    required: true
    suboptions:
      mname:
        description: Absolute name of the first server.
        type: str
        required: true
      rname:
        description: Mailbox of the person in charge, written as a name.
        type: str
        required: true
      refresh:
        description: Refresh time.
        type: int
        required: true
      retry:
        description: Retry time.
        type: int
        required: true
      expire:
        description: Expiry time.
        type: int
        required: true
      minimum:
        description: How long a negative answer may be cached.
        type: int
        required: true
  serial:
    description: The least serial the zone may have afterwards.
    type: int
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the zone
  tenantry.hosting.dns_zone:
    zone: shop.example.
    owner: s1001
    nameservers: [ns1.provider.example., ns2.provider.example.]
    soa:
      mname: ns1.provider.example.
      rname: hostmaster.provider.example.
      refresh: 7200
      retry: 3600
      expire: 1209600
      minimum: 3600
    serial: 2026112401
"""

RETURN = r"""
facts:
  description: The zone and its serial.
  type: dict
  returned: success
  sample: {zone: shop.example., serial: 2026112401}
reason:
  description: Why the step failed, in one word.
  type: str
  returned: failure
  sample: conflict
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_zone  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

_SOA = {name: {"type": "str", "required": True} for name in ("mname", "rname")}
_SOA |= {name: {"type": "int", "required": True} for name in dns_zone.TIMERS}


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "zone": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "nameservers": {"type": "list", "elements": "str", "required": True},
            "soa": {"type": "dict", "required": True, "options": _SOA},
            "serial": {"type": "int", "required": True},
        }
    )
    step.run(lambda found: dns_zone.ensure(found, dns_zone.read(found.params)))


if __name__ == "__main__":
    main()
