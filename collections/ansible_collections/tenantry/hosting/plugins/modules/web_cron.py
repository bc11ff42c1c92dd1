#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that an account has a cron job, or has it no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_cron
short_description: Ensure that an account has a cron job, or has it no longer
description:
  - The job is a systemd timer and service. It runs as the account's user, within the account's limits and behind the same walls
    as its PHP. What it prints goes to C(logs/cron.log) in the account's home. A run that is not over yet is not started twice.
  - The command is kept in a file that only root writes and is interpreted by nothing but the shell of the job.
  - While the account is suspended the timer does not wait.
  - C(absent) ends a run. What belongs to another owner is left alone.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  name:
    description: Name of the job.
    type: str
    required: true
  schedule:
    description: The five fields of crontab(5), or @hourly, @daily, @weekly or @monthly. Required unless C(absent).
    type: str
  command:
    description: One line for C(/bin/sh). A percent sign has no meaning of its own. Required unless C(absent).
    type: str
  enabled:
    description: Whether the job runs by itself.
    type: bool
    default: true
  state:
    description: Whether the job is there.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure a cron job
  tenantry.hosting.web_cron:
    username: w1001
    name: mails
    schedule: "*/5 * * * *"
    command: php www/bin/send-mails.php
"""

RETURN = r"""
facts:
  description: The job and when it runs
  type: dict
  returned: success
  sample: {job: mails, calendar: ['*-*-* *:00,05,10,15,20,25,30,35,40,45,50,55:00'], enabled: true}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    grammar,
    web_account,
    web_calendar,
    web_names,
    web_register,
    web_suspension,
    web_timers,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.web_timer_units import Job  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "schedule": {"type": "str"},
    "command": {"type": "str"},
    "enabled": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Check every value, then make the job or remove it."""
    params = step.params
    username, name = web_names.username(params["username"]), web_names.job(params["name"])
    owner = grammar.owner(params["owner"])
    if params["state"] == "absent":
        web_timers.drop(step, username, name, owner)
        return
    calendar = web_calendar.calendar(params["schedule"])
    job = Job(username, name, calendar, web_names.command(params["command"]))
    account = web_account.require(step, username, owner)
    with daemon.serialised(f"cron-{username}", step.check_mode):
        is_there = web_timers.is_known(username, name)
        web_register.enter(step, web_timers.KIND, username, name, account["owner"], is_there)
        web_timers.ensure(step, job, params["enabled"], web_suspension.is_suspended(username))
    step.facts = {"job": name, "calendar": calendar, "enabled": params["enabled"]}


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS, required_if=[("state", "present", ["schedule", "command"])]).run(ensure)


if __name__ == "__main__":
    main()
