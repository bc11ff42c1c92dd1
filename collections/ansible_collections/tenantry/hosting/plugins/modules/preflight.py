#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of this name; the work is done on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check that a job is for this playbook
version_added: 1.0.0
description:
  - Runs on the controller, first in every playbook. Nothing is touched before the job has been recognised.
  - Fails when the job names another action, has parameters that the playbook does not know, or was taken for a template.
author: Tenantry
options:
  job:
    description: The job, as read from the job file.
    type: dict
    required: true
  action:
    description: What the playbook does.
    type: str
    required: true
  accepts:
    description: The parameters that the playbook knows.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the job
  tenantry.hosting.preflight:
    job: "{{ job }}"
    action: "{{ playbook_action }}"
    accepts: "{{ playbook_accepts }}"
"""
