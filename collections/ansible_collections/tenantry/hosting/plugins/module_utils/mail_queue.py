# SPDX-License-Identifier: Apache-2.0
"""Postfix's queue: which messages wait for or come from an owner's addresses, and holding or retrying just those."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

WAITING_DOMAIN = "suspended.invalid"  # where aliases of suspended owners lead; see Postfix's alias table
_SECONDS = 60.0
Message = Mapping[str, Any]


def messages() -> list[Message]:
    """Return what lies in the queue: queue_name, queue_id, sender, recipients."""
    code, output = Step.probe(["postqueue", "-j"], timeout=_SECONDS)
    if code != 0:
        raise StepFailed("command", f"postqueue -j failed (exit {code}): {tail(output)}")
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def waiting_place(address: str) -> str:
    """Return where an alias of a suspended owner leads."""
    return f"{address.replace('@', '=')}@{WAITING_DOMAIN}"


def mailbox_behind(address: str) -> str:
    """Return the address a recipient stands for: without its tag, and without the detour of a suspended alias."""
    local, _, domain = address.lower().rpartition("@")
    if domain == WAITING_DOMAIN:
        local, _, domain = local.rpartition("=")
        domain = domain.partition("+")[0]
    return f"{local}@{domain}"


def untagged(address: str) -> str:
    """Return name@domain of name+tag@domain."""
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"


def detoured(addresses: Collection[str]) -> Callable[[Message], bool]:
    """Return the test for messages that wait because an alias of these is, or was, suspended."""

    def waits(message: Message) -> bool:
        names = [str(one["address"]) for one in message["recipients"]] if message["queue_name"] != "hold" else []
        return any(name.endswith(f"@{WAITING_DOMAIN}") and mailbox_behind(name) in addresses for name in names)

    return waits


def to(addresses: Collection[str]) -> Callable[[Message], bool]:
    """Return the test for messages that one of the addresses is to get."""

    def waits(message: Message) -> bool:
        names = [mailbox_behind(str(one["address"])) for one in message["recipients"]]
        return any(name in addresses or untagged(name) in addresses for name in names)

    return waits


def sent_by(addresses: Collection[str]) -> Callable[[Message], bool]:
    """Return the test for messages that one of the addresses sent and that are not held yet."""

    def leaves(message: Message) -> bool:
        sender = str(message["sender"]).lower()
        return message["queue_name"] != "hold" and (sender in addresses or untagged(sender) in addresses)

    return leaves


def chosen(test: Callable[[Message], bool]) -> list[str]:
    """Return the queue ids of the messages that pass the test."""
    return sorted(str(message["queue_id"]) for message in messages() if test(message))


def deliver(step: Step, addresses: Collection[str], everything: bool) -> None:
    """Take what waits for the addresses into the queue anew: aliases are looked up again and delivery is tried at once.

    Without ``everything`` only what certainly waits because of a suspension. Returns when nothing of that is left.
    """
    aside, waiting = detoured(addresses), to(addresses)
    ids = chosen(lambda one: _is_deferred(one) and (aside(one) or (everything and waiting(one))))
    if ids:
        step.note("waiting mail", "", "%d messages are delivered now\n" % len(ids))
    if step.check_mode:
        return
    deadline = time.monotonic() + _SECONDS
    _requeue(step, ids)
    while chosen(aside):  # on its way through the queue
        if time.monotonic() >= deadline:
            raise StepFailed("command", "mail of suspended aliases does not leave the queue; is Postfix running?")
        time.sleep(0.1)
        _requeue(step, chosen(lambda one: _is_deferred(one) and aside(one)))


def _is_deferred(message: Message) -> bool:
    return bool(message["queue_name"] == "deferred")


def _requeue(step: Step, ids: Collection[str]) -> None:
    if ids:
        _tell_postsuper(step, "-r", ids)
        step.command(["postkick", "public", "pickup", "W"])


def hold(step: Step, ids: Collection[str]) -> None:
    """Hold the messages back."""
    if ids:
        step.note("mail on its way out", "", "%d messages are held\n" % len(ids))
        if not step.check_mode:
            _tell_postsuper(step, "-h", ids)


def release(step: Step, ids: Collection[str]) -> None:
    """Let held messages go on; one that is gone is no failure."""
    if ids:
        step.note("mail on its way out", "%d messages are held\n" % len(ids), "")
        if not step.check_mode:
            _tell_postsuper(step, "-H", ids)


def delete(step: Step, ids: Collection[str]) -> None:
    """Delete held messages; one that is gone is no failure."""
    if ids:
        step.note("held mail", "%d messages\n" % len(ids), "")
        if not step.check_mode:
            _tell_postsuper(step, "-d", ids)


def _tell_postsuper(step: Step, option: str, ids: Iterable[str]) -> None:
    step.command(["postsuper", option, "-"], stdin="".join(f"{one}\n" for one in ids), timeout=_SECONDS)
