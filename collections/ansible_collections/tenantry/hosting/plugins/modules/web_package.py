#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the limits of an account on a web node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_package
short_description: Ensure the limits of an account on a web node
description:
  - Writes the account's record, which every later step asks, and the systemd slice that bounds the memory and the number of
    processes of everything the account runs.
  - Sets the disk quota where the file system of the homes keeps one; elsewhere the report warns that it is not enforced.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  uid:
    description: Number of the account's UNIX user, given once by the orchestrator and never again.
    type: int
    required: true
  limits:
    description: The resolved limits of the package.
    type: dict
    required: true
    suboptions:
      disk_mb: {description: Disk in MiB; 0 is no limit., type: int, required: true}
      inodes: {description: Files; 0 is no limit., type: int, default: 0}
      bandwidth_mb: {description: Traffic a month in MiB., type: int, default: 0}
      databases: {description: Databases., type: int, default: 0}
      mailboxes: {description: Mailboxes., type: int, default: 0}
      sftp_accounts: {description: SFTP accounts., type: int, default: 0}
      cron_jobs: {description: Cron jobs., type: int, default: 0}
      dns_records: {description: DNS records of the customer's own., type: int, default: 0}
      php_version: {description: PHP version of the package., type: str, default: "8.2"}
      php_memory_mb: {description: Memory of one PHP request in MiB., type: int, default: 128}
      php_workers: {description: PHP requests at once., type: int, default: 5}
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the account's limits
  tenantry.hosting.web_package:
    username: w1001
    uid: 20001
    limits: {disk_mb: 1024, php_memory_mb: 128, php_workers: 5}
"""

RETURN = r"""
facts:
  description: Which limits the node enforces
  type: dict
  returned: success
  sample: {disk_quota: not enforced, memory: enforced}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    grammar,
    web_account,
    web_names,
    web_quota,
    web_render,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

BOUNDS = {
    **dict.fromkeys(("disk_mb", "inodes", "bandwidth_mb"), (0, 2**40)),
    **dict.fromkeys(("databases", "mailboxes", "sftp_accounts", "cron_jobs", "dns_records"), (0, 1_000_000)),
    "php_memory_mb": (16, 8192),
    "php_workers": (1, 500),
}
DEFAULTS = {"php_memory_mb": 128, "php_workers": 5}
LIMITS = {
    **{name: {"type": "int", "default": DEFAULTS.get(name, 0)} for name in BOUNDS},
    "disk_mb": {"type": "int", "required": True},
    "php_version": {"type": "str", "default": "8.2"},
}
ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "limits": {"type": "dict", "required": True, "options": LIMITS},
    "owner": {"type": "str"},
}
CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"


def ensure(step: Step) -> None:
    """Ensure the account's record, its slice and its quota."""
    username, uid = web_names.username(step.params["username"]), web_names.uid(step.params["uid"])
    owner = grammar.owner(step.params["owner"])
    limits = checked_limits(step.params["limits"])
    record = web_account.read(username)
    if record is not None:
        owner = web_account.require_owner(f"the account {username}", record["owner"], owner)
        if record["uid"] != uid:
            raise StepFailed("conflict", "the account %s has the number %d, not %d" % (username, record["uid"], uid))
    wanted = {"username": username, "uid": uid, "owner": owner, "limits": limits}
    step.directory(web_account.PACKAGES, 0o700)
    step.file(web_account.record_path(username), web_account.dump(wanted), 0o600)
    ensure_slice(step, username, limits)
    quota = web_quota.ensure(step, uid, web_account.HOMES, limits["disk_mb"], limits["inodes"])
    step.facts = {"disk_quota": enforced(step, "disk quota", quota or not limits["disk_mb"])}
    step.facts["memory"] = enforced(step, "memory limit", "memory" in controllers())


def checked_limits(given: dict) -> dict:
    """Return the limits; each within its bounds."""
    limits = {name: grammar.whole(given[name], f"limits.{name}", *bounds) for name, bounds in BOUNDS.items()}
    return {**limits, "php_version": web_names.php_version(given["php_version"], "limits.php_version")}


def ensure_slice(step: Step, username: str, limits: dict) -> None:
    """Ensure the unit that bounds the account's processes, and that systemd goes by it."""
    unit = f"tenantry-{username}.slice"
    text, wanted = web_render.slice_unit(username, limits["php_memory_mb"], limits["php_workers"])
    step.file(f"/etc/systemd/system/{unit}", text)
    if step.check_mode or daemon.unit_properties(unit, *wanted) == wanted:
        return
    step.note(unit, "", "loaded again\n")
    with daemon.serialised("systemd"):
        step.command(["systemctl", "daemon-reload"])
    if daemon.unit_properties(unit, *wanted) != wanted:
        raise StepFailed("probe", f"systemd does not go by {unit}; look for drop-ins: systemctl cat {unit}")


def enforced(step: Step, what: str, is_enforced: bool) -> str:
    """Return whether the node enforces a limit, with a warning when it does not."""
    if not is_enforced:
        step.warnings.append(f"the {what} is recorded but not enforced on this node")
    return "enforced" if is_enforced else "not enforced"


def controllers() -> list[str]:
    """Return the resources that the node's kernel can bound."""
    try:
        with open(CONTROLLERS, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
