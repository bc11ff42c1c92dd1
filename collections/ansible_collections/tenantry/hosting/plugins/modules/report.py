# SPDX-License-Identifier: Apache-2.0
"""Documentation of the report action; the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Report what a play did
description:
  - Merges the registered results of a play's steps into one report that the orchestrator reads.
  - Runs on the controller only.
options:
  results:
    description: What the play's tasks registered.
    type: list
    elements: dict
    required: true
author: The Tenantry team
attributes:
  check_mode:
    support: full
    description: Reports what would change.
"""

EXAMPLES = r"""
- name: Report the result
  tenantry.hosting.report:
    results: "{{ [web_user_result] }}"
"""

RETURN = r"""
report:
  description: The merged report.
  type: dict
  returned: always
  sample: {changed: false, facts: {}, usage: {}, warnings: []}
"""
