# SPDX-License-Identifier: Apache-2.0
"""Running SFTP sessions, told apart by login: the user number alone is that of all the account's processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import web_probe
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_SSHD = "/usr/sbin/sshd"
_END_SECONDS = 10.0


def of(logins: Sequence[str]) -> list[int]:
    """Return the numbers of sshd's own processes (root's, so no tenant can pose as one) that hold a session of a login."""
    titles = {f"sshd: {login} [priv]" for login in logins}
    return [number for number in _processes() if _is_session(number, titles)]


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _is_session(number: int, titles: set[str]) -> bool:
    try:
        if os.stat(f"/proc/{number}").st_uid != 0:
            return False
        with open(f"/proc/{number}/cmdline", "rb") as file:
            title = file.read(200).rstrip(b"\0 ").decode("ascii", "replace")
        return title in titles and os.readlink(f"/proc/{number}/exe") == _SSHD
    except OSError:
        return False


def end(step: Step, logins: Sequence[str]) -> None:
    """End the sessions of logins and wait until they have ended."""
    found = of(logins)
    if not found:
        return
    step.note(f"sessions of {', '.join(logins)}", "%d\n" % len(found), "0\n")
    if step.check_mode:
        return
    titles = {f"sshd: {login} [priv]" for login in logins}
    for number in found:
        _signal(number, titles, signal.SIGTERM)
    if web_probe.eventually(lambda: not of(logins), _END_SECONDS):
        return
    for number in of(logins):
        _signal(number, titles, signal.SIGKILL)
    if not web_probe.eventually(lambda: not of(logins), _END_SECONDS):
        raise StepFailed("probe", f"sessions of {', '.join(logins)} did not end")


def _signal(number: int, titles: set[str], which: signal.Signals) -> None:
    """Send a signal to the very process that was looked at, not to a later one with its number."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(number)
        try:
            if _is_session(number, titles):
                signal.pidfd_send_signal(descriptor, which)
        finally:
            os.close(descriptor)
