#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Collect what every service of a mail node uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_usage
short_description: Collect the usage of every mailbox of a mail node
description:
  - Reads in one go what all mailboxes hold and how many messages were sent and received.
  - Changes nothing but its own notes in C(/var/lib/tenantry/usage), how far the journal was read and what was counted.
options:
  seconds:
    description: How long Dovecot and the journal may take, each.
    type: int
    default: 240
extends_documentation_fragment: [tenantry.hosting.step, tenantry.hosting.usage_days]
"""

EXAMPLES = r"""
- name: Collect
  tenantry.hosting.mail_usage:
    days: [{day: 20261125, start: 1795564800}]
"""

RETURN = r"""
usage:
  description: Figures of each owner; C(days) are DAY:SENT:RECEIVED in messages, C(boxes) are "ADDRESS BYTES MESSAGES".
  type: dict
  returned: success
  sample: {mail: {through: 20261125, complete: true, accounts: {s1001: {mailboxes: 1, boxes: ["info@shop.example 420 1"],
    days: "20261125:1:2"}}}}
"""

from typing import Any  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_store,
    usage_mail,
    usage_state,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

DIRECTORY, VMAIL = "/var/lib/tenantry/mail", "/var/vmail"
ARGUMENTS = {"days": usage_state.DAYS_SPEC, "seconds": {"type": "int", "default": 240}}


def collect(step: Step) -> None:
    """Collect sizes and messages and report them by owner."""
    days = usage_state.Days(step.params["days"])
    seconds = grammar.whole(step.params["seconds"], "seconds", 1, 3600)
    if step.check_mode and not mail_store.exists(DIRECTORY):
        return
    with mail_store.open_store(DIRECTORY, read_only=True) as store:
        boxes = {row["address"]: row["owner"] for row in store.select("SELECT address, owner FROM accounts.accounts")}
        holders = {row["owner"] for row in store.select("SELECT owner FROM main.domains")} | set(boxes.values())
    sizes, all_told = usage_mail.sizes(step, boxes, VMAIL, seconds)
    with usage_state.opened(step, "mail") as state:
        messages = usage_mail.Messages(state, days, boxes, seconds)
        messages.read()
        through, told = messages.counters.report(days)
    accounts: dict[str, Any] = {}
    for owner in sorted(filter(None, holders)):
        accounts[owner] = {"mailboxes": 0, "boxes": [], "days": told.get(owner, "")}
    for address, owner in sorted(boxes.items()):
        if owner in accounts:
            accounts[owner]["mailboxes"] += 1
            if address in sizes:
                accounts[owner]["boxes"].append("%s %d %d" % (address, *sizes[address]))
    complete = messages.is_complete and all_told
    step.usage = {"mail": {"through": through, "complete": complete, "accounts": accounts}}


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(collect)


if __name__ == "__main__":
    main()
