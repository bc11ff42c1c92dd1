# SPDX-License-Identifier: Apache-2.0
"""The processes of one account, wherever they hide: also what a customer detached from everything we started."""

from __future__ import annotations

import contextlib
import os
import signal

from ansible_collections.tenantry.hosting.plugins.module_utils import web_names, web_probe
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_POLITE_SECONDS = 3.0
_PATIENCE_SECONDS = 30.0


def of(uid: int) -> list[int]:
    """Return the numbers of the processes that run as this user in any way; one that has ended counts no more."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and belongs(int(name), uid)]


def belongs(number: int, uid: int) -> bool:
    """Whether a process is alive and its real, effective, saved or file system user is this one."""
    try:
        with open(f"/proc/{number}/status", encoding="utf-8", errors="replace") as file:
            return is_theirs(file.read(), uid)
    except OSError:
        return False


def is_theirs(status: str, uid: int) -> bool:
    """Whether the kernel's account of a process names this user and says that it is alive."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return str(uid) in fields.get("Uid", "").split() and fields.get("State", "").strip()[:1] not in ("Z", "X")


def end_all(step: Step, username: str, uid: int) -> None:
    """End every process of the account: asked first, then killed until none is left.

    Raises StepFailed ``busy`` when one outlives that, which only one that hangs in the kernel does.
    """
    if uid < web_names.UID_LOW:
        raise StepFailed("invalid", "the number %d of %s is one of the system's; nothing was ended" % (uid, username))
    there = of(uid)
    if not there:
        return
    step.note(f"processes of {username}", "%d running\n" % len(there), "none\n")
    if step.check_mode:
        return
    _signal_each(uid, signal.SIGTERM)
    if web_probe.eventually(lambda: not of(uid), _POLITE_SECONDS):
        return
    if not web_probe.eventually(lambda: _killed(uid), _PATIENCE_SECONDS):
        left = ", ".join(map(str, of(uid)[:5]))
        raise StepFailed("busy", f"processes of {username} do not end (they hang in the kernel): {left}")


def _killed(uid: int) -> bool:
    _signal_each(uid, signal.SIGKILL)
    if not of(uid):
        return True
    # One that starts others faster than we look is met by a signal to all of them at once, which only they
    # themselves may send. Whether this helper lives to do it is seen from who is left.
    with contextlib.suppress(StepFailed):
        Step.probe(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c", "kill -KILL -1"], None, 5
        )
    return not of(uid)


def _signal_each(uid: int, number: int) -> None:
    """Send a signal to each process, held by a descriptor so that a number given anew is not met by mistake."""
    for process in of(uid):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process)
            try:
                if belongs(process, uid):
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
