# SPDX-License-Identifier: Apache-2.0
"""What the documentation of every module that changes a node has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of module_utils/step.py."""

    DOCUMENTATION = r"""
options:
  fence:
    description: Service, generation, key and token of the attempt, for the guard on the node; left out in a run by hand.
    type: dict
    suboptions:
      service: {description: Number of the service., type: int, required: true}
      generation: {description: Generation of the service., type: int, required: true}
      key: {description: Name of the step., type: str, required: true}
      token: {description: Fencing token of the attempt., type: int, required: true}
  reload_seconds:
    description: How long a reload waits at most for other steps that are about to write for the same daemon.
    type: float
    default: 2.0
author: The Tenantry team
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows what changes, without secrets.
"""
