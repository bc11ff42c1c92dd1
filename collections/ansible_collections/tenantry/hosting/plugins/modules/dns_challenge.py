#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that this DNS server answers the questions of a CA, or that it does not any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_challenge
short_description: Ensure that this DNS server answers the questions of a CA
description:
  - Adds the values to the TXT records of the name, or takes them away. Other values at the name and the zone's serial stay.
  - A record set that is made for them has a TTL of 60 seconds; one that is there already keeps its own.
  - Asks the server at every address it listens on, and takes the change back when the answer is wrong.
  - C(absent) leaves what belongs to another service alone, with a warning.
options:
  state:
    description: Whether the values are to be there.
    type: str
    choices: [present, absent]
    default: present
  zone:
    description: Absolute name of the zone, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the zone belongs to. Empty for a zone that an engineer keeps by hand.
    type: str
    default: ""
  name:
    description: Absolute name that begins with C(_acme-challenge.).
    type: str
    required: true
  values:
    description: The answers, 43 characters of base64url each (RFC 8555 section 8.4).
    type: list
    elements: str
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure an answer
  tenantry.hosting.dns_challenge:
    zone: shop.example.
    owner: s1001
    name: _acme-challenge.shop.example.
    values: [gfj9Xq8DGCUg1kBsLGNE9G0TmhTVUpzIVqGmMRJwVaw]
"""

RETURN = r"""
facts:
  description: The zone, the name and how many values it has now.
  type: dict
  returned: success
  sample: {zone: shop.example., name: _acme-challenge.shop.example., values: 1}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_challenge  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "zone": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "name": {"type": "str", "required": True},
            "values": {"type": "list", "elements": "str", "required": True},
        }
    )
    act = dns_challenge.remove if step.params["state"] == "absent" else dns_challenge.ensure
    step.run(lambda found: act(found, dns_challenge.read(found.params)))


if __name__ == "__main__":
    main()
