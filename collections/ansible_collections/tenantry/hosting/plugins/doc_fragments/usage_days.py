# SPDX-License-Identifier: Apache-2.0
"""What the documentation of the modules that count by day has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of module_utils/usage_state.py."""

    DOCUMENTATION = r"""
options:
  days:
    description: The days in which is counted, rising; the first one takes what is older.
    type: list
    elements: dict
    required: true
    suboptions:
      day: {description: The day as YYYYMMDD., type: int, required: true}
      start: {description: When it begins in seconds since 1970 UTC., type: int, required: true}
"""
