#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that an owner's mail is suspended, or is not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_account
short_description: Ensure that an owner's mail is suspended, or is not
description:
  - Suspended, no mailbox of the owner lets anybody log in, open sessions end, nothing more can be submitted, and what the owner
    had sent but had not left yet is held. Inbound mail follows the policy. Nothing of the owner's objects changes.
  - Active again, what was held goes on and what waits in the queue for the owner's addresses is delivered.
  - The owner may have nothing on this node yet; what comes later is suspended too. Nothing is reloaded.
options:
  owner:
    description: The service whose mail it is.
    type: str
    required: true
  state:
    description: Suspended or active.
    type: str
    required: true
    choices: [suspended, active]
  policy:
    description:
      - What happens to inbound mail of a suspended owner. C(defer) answers 450 and lets wait what is on the node already;
        C(accept) delivers it; C(reject) answers 550.
    type: str
    default: defer
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Suspend the mail of a service
  tenantry.hosting.mail_account:
    owner: s1001
    state: suspended
    policy: defer
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_change,
    mail_daemons,
    mail_queue,
    mail_sessions,
    mail_store,
    mail_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail  # noqa: E402

ARGUMENTS = {
    "owner": {"type": "str", "required": True},
    "state": {"type": "str", "required": True, "choices": ["suspended", "active"]},
    "policy": {"type": "str", "default": "defer"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
}
ANSWERS = {"defer": "450 4.2.1 ", "reject": "550 5.2.1 ", "accept": "DUNNO"}


def ensure(step: Step) -> None:
    """Check the input, then suspend or wake."""
    directory, policy = step.params["state_directory"], step.params["policy"]
    owner = grammar.owner(step.params["owner"])
    if not owner:
        raise grammar.refuse("owner", "is missing", "name the service in the job, as service.owner")
    if policy not in mail_suspension.POLICIES:
        raise grammar.refuse("policy", f"{grammar.shown(policy)} is none", "give defer, accept or reject")
    row = {"owner": owner, "policy": policy}
    wanted = {(table, owner): row for table in mail_suspension.TABLES}
    suspended = step.params["state"] == "suspended"
    if mail_change.announced(step, directory, wanted if suspended else {}):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "postfix", "dovecot")
        if suspended:
            suspend(step, store, owner, wanted)
        else:
            wake(step, store, owner)


def suspend(step: Step, store: Store, owner: str, wanted: mail_change.Wanted) -> None:
    """Write the rows, end what is open, hold what is on its way out."""
    with store.transaction():
        former = mail_suspension.policy_of(store, owner)
        before = mail_change.compare_and_put(step, store, wanted)
        addresses = mail_suspension.addresses_of(store, owner)
    policy = wanted["main.suspensions", owner]["policy"]
    mail_change.probed(step, store, before, lambda: require_answer(store, owner, ANSWERS[policy]))
    mail_sessions.end(step, mail_suspension.mailboxes_of(store, owner))
    hold(step, store, owner, addresses)
    if policy == "accept":
        mail_queue.deliver(step, addresses, everything=former == "defer")


def require_answer(store: Store, owner: str, answer: str) -> None:
    """Ask the running Postfix what port 25 says to mail for one of the mailboxes."""
    for row in store.select("SELECT address FROM main.mailboxes WHERE owner = ? LIMIT 1", owner):
        address = row["address"]
        _, output = Step.probe(
            ["postmap", "-q", address, mail_change.map_of("suspended")], timeout=mail_change.PROBE_SECONDS
        )
        if not output.startswith(answer):
            raise StepFailed("probe", f"Postfix would not answer {answer.strip()} for {address}: {tail(output)}")


def hold(step: Step, store: Store, owner: str, addresses: list[str]) -> None:
    """Hold what the owner sent and has not left yet. Which messages is written first, so that a crash loses none."""
    ids = mail_queue.chosen(mail_queue.sent_by(addresses)) if addresses else []
    if ids and not step.check_mode:
        with store.transaction():
            kept = sorted({*mail_suspension.held(store, owner), *ids})
            store.run("UPDATE main.suspensions SET held = ? WHERE owner = ?", " ".join(kept), owner)
    mail_queue.hold(step, ids)


def wake(step: Step, store: Store, owner: str) -> None:
    """Let go what is held, remove the rows, deliver what waits."""
    with store.transaction():
        was_suspended = mail_suspension.policy_of(store, owner) is not None
        if ids := mail_suspension.held(store, owner):
            mail_queue.release(step, ids)
        for table in mail_suspension.TABLES:
            mail_change.drop(step, store, table, "owner = ?", owner)
        addresses = mail_suspension.addresses_of(store, owner)
    if not (step.check_mode and step.changed):
        require_answer(store, owner, "DUNNO")
    mail_queue.deliver(step, addresses, everything=was_suspended)


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
