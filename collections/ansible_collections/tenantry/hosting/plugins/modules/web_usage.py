#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Collect what every account of a web node uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_usage
short_description: Collect the usage of every account of a web node
description:
  - Reads in one go what all accounts use - disk, files, traffic, databases, SFTP logins and cron jobs.
  - Changes nothing but its own notes in C(/var/lib/tenantry/usage), how far each log was read and what was counted.
options:
  seconds:
    description: How long logs may be read, and how long homes may be walked.
    type: int
    default: 240
  fresh_seconds:
    description: For how long a walked home is not walked again.
    type: int
    default: 0
extends_documentation_fragment: [tenantry.hosting.step, tenantry.hosting.usage_days]
"""

EXAMPLES = r"""
- name: Collect
  tenantry.hosting.web_usage:
    days: [{day: 20261125, start: 1795564800}]
"""

RETURN = r"""
usage:
  description: Figures of each owner; C(days) are DAY:IN:OUT in bytes.
  type: dict
  returned: success
  sample: {web: {through: 20261125, complete: true, accounts: {s1001: {disk: 42, files: 3, age: 0, databases: 1,
    database_bytes: 16384, sftp: 0, cron: 0, days: "20261125:120:4096"}}}}
"""

import os  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    usage_disk,
    usage_state,
    web_account,
    web_mariadb,
    web_register,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_traffic import Reader  # noqa: E402

ARGUMENTS = {
    "days": usage_state.DAYS_SPEC,
    "seconds": {"type": "int", "default": 240},
    "fresh_seconds": {"type": "int", "default": 0},
}
_SIZES = (
    "SELECT table_schema, COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables "
    "WHERE table_type = 'BASE TABLE' GROUP BY table_schema"
)


def usernames(step: Step) -> list[str]:
    """Return the accounts of this node."""
    try:
        found = os.listdir(web_account.PACKAGES)
    except FileNotFoundError:
        if step.check_mode:
            return []
        raise StepFailed("missing_software", "this node is not set up for web; run server.prepare") from None
    return sorted(name[:-5] for name in found if name.endswith(".json") and not name.startswith("."))


def databases(step: Step, names: list[str]) -> dict[str, list[int]]:
    """Return [databases, their bytes] of each account; all sizes come from one query."""
    owned = {name: web_register.of_account(web_register.DATABASE, name) for name in names}
    if not any(owned.values()):
        return {name: [0, 0] for name in names}
    sizes = {row[0]: int(row[1]) for row in web_mariadb.query(step, _SIZES) if len(row) == 2}
    return {name: [len(mine), sum(sizes.get(one, 0) for one in mine)] for name, mine in owned.items()}


def collect(step: Step) -> None:
    """Collect every kind of figure and report them by owner."""
    os.nice(19)
    days = usage_state.Days(step.params["days"])
    seconds = grammar.whole(step.params["seconds"], "seconds", 1, 3600)
    fresh = grammar.whole(step.params["fresh_seconds"], "fresh_seconds", 0, 86_400)
    names = usernames(step)
    with usage_state.opened(step, "web") as state:
        reader = Reader(state, days, seconds)
        reader.read(names)
        usage_disk.collect(step, state, names, seconds, fresh)
        through, told = reader.counters.report(days)
        figures = {name: figures_of(name, state["disk"], told) for name in names}
    for name, pair in databases(step, names).items():
        figures[name] |= {"databases": pair[0], "database_bytes": pair[1]}
    if reader.unreadable:
        step.warnings.append("%d lines of access logs could not be read" % reader.unreadable)
    step.usage = {
        "web": {"through": through, "complete": not reader.unfinished, "accounts": by_owner(step, figures)},
    }


def figures_of(name: str, disk: dict[str, list[int]], told: dict[str, str]) -> dict[str, Any]:
    """Return what one account uses; disk and files are missing while they were never measured."""
    found: dict[str, Any] = {
        "sftp": len(web_register.of_account(web_register.SFTP, name)),
        "cron": len(web_register.of_account(web_register.CRON, name)),
        "days": told.get(name, ""),
    }
    size, entries, measured, _ = disk.get(name, [0, 0, 0, 0])
    if measured:
        found |= {"disk": size, "files": entries, "age": max(int(time.time()) - measured, 0)}
    return found


def by_owner(step: Step, figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the figures by owner; an account that was made by hand has none."""
    found = {}
    for name, values in figures.items():
        record = web_account.read(name)
        if record is not None and record["owner"]:
            found[record["owner"]] = values
        else:
            step.warnings.append(f"{name} has no owner; its usage is not reported")
    return found


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(collect)


if __name__ == "__main__":
    main()
