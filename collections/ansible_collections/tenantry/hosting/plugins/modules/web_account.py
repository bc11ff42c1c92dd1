#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Put an account of a web node to sleep, wake it, or take it off the node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_account
short_description: Put an account of a web node to sleep, wake it, or take it off the node
description:
  - C(suspended) lays itself over the account and changes nothing of it. Every name answers 503 with the page, whatever is asked
    for and however; PHP, timers and all processes of the account end; SFTP and databases let nobody in. What was locked before is
    kept in a marker. Later steps ask the marker, so an account may be suspended before it is there.
  - C(active) takes the cover away. What was locked before is locked again.
  - C(absent) takes everything of the account off the node, its record last. The home is moved aside first and is taken apart
    where nobody reaches it; no link in it is followed, and what is mounted in it is left alone.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  state:
    description: What the account is to be.
    type: str
    choices: [suspended, active, absent]
    required: true
  page:
    description: The page of C(suspended), HTML, at most 64 KiB.
    type: str
  retry_after:
    description: After how many seconds visitors and search engines may look again.
    type: int
    default: 3600
  uid:
    description: Number of the account's UNIX user, for C(absent). One that differs from the recorded one is refused.
    type: int
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Suspend the account
  tenantry.hosting.web_account:
    username: w1001
    state: suspended
    page: "<!doctype html><title>Suspended</title><p>This site is suspended."
    retry_after: 86400
"""

RETURN = r"""
facts:
  description: What the account is
  type: dict
  returned: success
  sample: {account: suspended}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, web_departure, web_names, web_sleep  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["suspended", "active", "absent"], "required": True},
    "page": {"type": "str"},
    "retry_after": {"type": "int", "default": 3600},
    "uid": {"type": "int"},
    "owner": {"type": "str"},
}
REQUIRED = [("state", "suspended", ["page"]), ("state", "absent", ["uid"])]
RETRY_SECONDS = (1, 31_536_000)


def ensure(step: Step) -> None:
    """Check every value, then bring the account into its state."""
    params = step.params
    username, owner = web_names.username(params["username"]), grammar.owner(params["owner"])
    if params["state"] == "suspended":
        page = web_names.page(params["page"])
        retry_after = grammar.whole(params["retry_after"], "retry_after", *RETRY_SECONDS)
        web_sleep.suspend(step, username, owner, page, retry_after)
    elif params["state"] == "active":
        web_sleep.wake(step, username, owner)
    else:
        web_departure.remove(step, username, web_names.uid(params["uid"]), owner)
    step.facts = {"account": params["state"]}


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS, required_if=REQUIRED).run(ensure)


if __name__ == "__main__":
    main()
