#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure where mail for an address goes, or that the address is no alias."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_alias
short_description: Ensure an alias, or that there is none
description:
  - Writes the alias with all its destinations into Postfix's lookup table in one transaction and asks the running Postfix for it.
  - The domain has to be hosted here and to belong to the same owner. Where there is a mailbox of that address, it has to be among
    the destinations. An alias that leads back to itself, through others too, is refused. Nothing is reloaded.
  - Absent, an alias of another owner is left alone, with a warning.
options:
  domain:
    description: The domain in A-label form, lower case.
    type: str
    required: true
  local_part:
    description: The part before the @, lower case.
    type: str
    required: true
  destinations:
    description: Where its mail goes, 1 to 50 addresses on this server or elsewhere.
    type: list
    elements: str
    default: []
  enabled:
    description: Whether the alias counts; if not, its address is unknown (or the mailbox alone gets the mail).
    type: bool
    default: true
  state:
    description: Whether there is an alias.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: The service that owns the alias. Left out in a run by hand.
    type: str
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the alias
  tenantry.hosting.mail_alias:
    domain: shop.example
    local_part: sales
    destinations: [info@shop.example, someone@elsewhere.example]
    owner: s1001
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_aliases,
    mail_change,
    mail_daemons,
    mail_names,
    mail_queue,
    mail_store,
    mail_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Row, Store  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail  # noqa: E402

ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "local_part": {"type": "str", "required": True},
    "destinations": {"type": "list", "elements": "str", "default": []},
    "enabled": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str"},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
}


def ensure(step: Step) -> None:
    """Check the input and do what the state asks for."""
    address = mail_names.address(step.params["local_part"], step.params["domain"])
    owner = grammar.owner(step.params["owner"]) or None
    if step.params["state"] == "absent":
        remove(step, address, owner)
    else:
        write(step, address, owner)


def remove(step: Step, address: str, owner: str | None) -> None:
    """Remove the owner's alias."""
    directory = step.params["state_directory"]
    if step.check_mode and not mail_store.exists(directory):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store, store.transaction():
        if not mail_change.left_alone(step, mail_aliases.rows_of(store, address), owner, address):
            mail_change.drop(step, store, "main.aliases", "address = ?", address)


def write(step: Step, address: str, owner: str | None) -> None:
    """Write the alias and ask Postfix for it."""
    directory, domain = step.params["state_directory"], step.params["domain"]
    destinations = mail_aliases.checked(step.params["destinations"], address)
    row = {"address": address, "domain": domain, "owner": owner or "", "active": int(step.params["enabled"])}
    wanted = [{**row, "destination": one} for one in destinations]
    if mail_change.announced(
        step, directory, {("main.aliases", address): row | {"destination": " ".join(destinations)}}
    ):
        return
    with mail_store.open_store(directory, read_only=step.check_mode) as store:
        mail_daemons.require_sound(step, "postfix")
        mail_aliases.require_foreign(destinations)
        with store.transaction():
            keeper = permitted(step, store, address, destinations, owner)
            wanted = [{**one, "owner": keeper} for one in wanted]
            before = mail_aliases.put(step, store, wanted)
        if step.check_mode and step.changed:
            return
        prove(store, address, wanted, before)


def permitted(step: Step, store: Store, address: str, destinations: list[str], owner: str | None) -> str:
    """Return who will own the alias, once the domain, the owner, the mailboxes and the other aliases allow it."""
    domain = mail_change.hosted(step, store, step.params["domain"], owner)
    for row in mail_aliases.rows_of(store, address):
        mail_change.require_owner(row, owner, address)
    keeper = owner or str((domain or {}).get("owner", ""))
    if domain is not None:
        mail_aliases.require_no_vanishing(store, address, destinations, keeper)
    if step.params["enabled"]:
        mail_aliases.require_no_loop(store, address, destinations)
    return keeper


def prove(store: Store, address: str, wanted: list[Row], before: list[Row] | None) -> None:
    """Ask the running Postfix where the alias leads; when that is not right, put the rows back."""
    _, output = Step.probe(["postmap", "-q", address, mail_change.map_of("aliases")], timeout=mail_change.PROBE_SECONDS)
    if set(output.strip().split(",")) - {""} == expected(store, address, wanted):
        return
    if before is not None:
        with store.transaction():
            mail_aliases.replace(store, address, before)
    undone = "; the change was taken back" if before is not None else ""
    raise StepFailed("probe", f"Postfix does not lead {address} where it should: {tail(output)}{undone}")


def expected(store: Store, address: str, wanted: list[Row]) -> set[str]:
    """Return what Postfix has to find: nothing for an alias that is off, the waiting place while its owner is suspended."""
    policy = mail_suspension.policy_of(store, str(wanted[0]["owner"]))
    if not wanted[0]["active"] or policy == "reject":
        return set()
    if policy == "defer":
        return {mail_queue.waiting_place(address)}
    return {str(row["destination"]) for row in wanted}


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
