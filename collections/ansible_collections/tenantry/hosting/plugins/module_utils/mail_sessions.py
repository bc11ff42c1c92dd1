# SPDX-License-Identifier: Apache-2.0
"""Open IMAP sessions of mailboxes: who has one, and ending them."""

from __future__ import annotations

import time
from collections.abc import Collection

from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

_SECONDS = 20.0
_NOBODY = 68  # doveadm kick: the session ended before it was kicked


def of(addresses: Collection[str]) -> list[str]:
    """Return which of the mailboxes are open now."""
    code, output = Step.probe(["doveadm", "who", "-1"])
    if code != 0:
        raise StepFailed("command", f"doveadm who failed (exit {code}): {tail(output)}")
    names = {line.split("\t")[0].split(" ")[0] for line in output.splitlines()}
    return sorted(names.intersection(addresses))


def end(step: Step, addresses: Collection[str]) -> None:
    """End every session of the mailboxes, for which a login is refused already."""
    deadline, told = time.monotonic() + _SECONDS, False
    while addresses and (there := of(addresses)):
        if not told:
            step.note("sessions", "".join(f"{name}\n" for name in there), "")
            told = True
        if step.check_mode:
            return
        if time.monotonic() >= deadline:
            raise StepFailed("command", f"sessions of {', '.join(there[:5])} did not end within {_SECONDS:.0f} s")
        for name in there:
            step.command(["doveadm", "kick", name], accept=(0, _NOBODY))
        time.sleep(0.05)
