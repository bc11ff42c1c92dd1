#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Withdraw a DNS zone, or serve it again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_withdrawal
short_description: Withdraw a DNS zone, or serve it again
description:
  - A withdrawn zone stays on this node's PowerDNS with everything in it, but the server refuses to answer for it. Serving it
    again brings back exactly what is in it.
  - A zone may be withdrawn before it is there. It is then made without being served.
  - A zone of another owner is left alone with a warning. One in which another service has a record is not withdrawn.
  - Asks the server at every address it listens on, and takes the change back when the answer is wrong.
options:
  zone:
    description: Absolute name, for example C(shop.example.).
    type: str
    required: true
  owner:
    description: Label of the service that the zone belongs to. Without it the named zone is meant, whoever has it.
    type: str
    default: ""
  state:
    description: C(withdrawn) or C(served).
    type: str
    choices: [withdrawn, served]
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Stop answering for the zone
  tenantry.hosting.dns_zone_withdrawal:
    zone: shop.example.
    owner: s1001
    state: withdrawn
"""

RETURN = r"""
facts:
  description: The zone and whether it is withdrawn.
  type: dict
  returned: success
  sample: {zone: shop.example., withdrawn: true}
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

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_withdrawal  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

_STATES = {"withdrawn": dns_withdrawal.withdraw, "served": dns_withdrawal.serve}


def main() -> None:
    """Entry point."""
    step = Step(
        {
            "zone": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": [*_STATES], "required": True},
        }
    )
    step.run(lambda found: _STATES[found.params["state"]](found, dns_withdrawal.read(found.params)))


if __name__ == "__main__":
    main()
