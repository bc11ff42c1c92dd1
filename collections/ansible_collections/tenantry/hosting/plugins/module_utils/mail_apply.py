# SPDX-License-Identifier: Apache-2.0
"""New configuration of the mail daemons: checked as a whole before it goes live, taken back when a daemon does not come up.

    differ → stage → the daemon's own checker → mark "reload pending" → rename into place → reload → probe → unmark

The mark lies below /run. So a crash between the rename and the reload is made good by the next run, and a boot, which
loads the files anyway, clears it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping

from ansible_collections.tenantry.hosting.plugins.module_utils import files as safe
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_daemons import (
    DAEMONS,
    Daemon,
    staged_complaint,
    wait_until_heard,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

RUN_DIRECTORY = "/run/tenantry-mail"
UNITS = "/etc/systemd/system"
SIEVE = "/etc/tenantry/mail/sieve"
_RELOAD_SECONDS = 5.0
_START_SECONDS = 240.0  # at its very first start rspamd compiles its patterns: 13 s of one core
_SYSTEMD_SECONDS = 60.0
Files = Mapping[str, str]  # path -> content, all of them root's and readable by everybody


@contextlib.contextmanager
def alone(check_mode: bool) -> Iterator[None]:
    """Let one run at a time change this node's mail configuration."""
    if check_mode:
        yield
        return
    os.makedirs(RUN_DIRECTORY, mode=0o700, exist_ok=True)
    descriptor = os.open(f"{RUN_DIRECTORY}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def apply(step: Step, wanted: Files, absent: list[str], boot_units: list[str]) -> None:
    """Bring the files and the daemons into the wanted state."""
    states = {path: safe.read_state(path) for path in (*wanted, *absent)}
    changed = {path: text for path, text in wanted.items() if _differs(states[path], text)}
    gone = [path for path in absent if states[path].content is not None]
    told = [daemon for daemon in DAEMONS.values() if any(daemon.owns(path) for path in (*changed, *gone))]
    for daemon in told:
        _check(daemon, changed)
    if not step.check_mode:
        for daemon in told:
            _mark(daemon)
    try:
        _write(step, changed, gone)
        _settle(step, [*changed, *gone], boot_units)
    except StepFailed as failure:
        if step.check_mode or not (changed or gone):
            raise
        _take_back({path: states[path] for path in (*changed, *gone)}, told)
        raise StepFailed(failure.reason, f"{failure}; the change was taken back") from None


def _differs(state: safe.FileState, text: str) -> bool:
    return (state.content, state.mode, state.uid, state.gid) != (text.encode(), 0o644, 0, 0)


def _check(daemon: Daemon, changed: Files) -> None:
    complaint = staged_complaint(daemon, changed)
    if not complaint:
        return
    if staged_complaint(daemon, {}):
        raise StepFailed("config_broken", f"{daemon.name}'s configuration on this node is broken: {complaint}")
    raise StepFailed("rejected", f"{daemon.name} does not accept the new configuration: {complaint}")


def _write(step: Step, changed: Files, gone: list[str]) -> None:
    for path, text in changed.items():
        step.file(path, text)
    for path in gone:
        step.absent(path)


def _settle(step: Step, touched: list[str], boot_units: list[str]) -> None:
    """Make what runs equal to what is written."""
    if any(path.startswith(UNITS + "/") for path in touched) and not step.check_mode:
        step.command(["systemctl", "daemon-reload"], timeout=_SYSTEMD_SECONDS)
    _compile_sieve(step)
    _enable(step, [*boot_units, *(daemon.switch for daemon in DAEMONS.values())])
    for daemon in DAEMONS.values():
        _run(step, daemon)


def _compile_sieve(step: Step) -> None:
    """Compile our scripts: users' own right does not reach where the compiled form lies."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(SIEVE)):
            script, compiled = f"{SIEVE}/{name}", f"{SIEVE}/{name[:-5]}svbin"
            if name.endswith(".sieve") and not _newer(compiled, script):
                step.note(compiled)
                if not step.check_mode:
                    step.command(["sievec", script, compiled], reason="rejected")
                    os.chmod(compiled, 0o644)  # delivery runs as the owner of the mail


def _newer(one: str, other: str) -> bool:
    return os.path.exists(one) and os.stat(one).st_mtime_ns >= os.stat(other).st_mtime_ns


def _enable(step: Step, units: list[str]) -> None:
    code, output = step.probe(["systemctl", "is-enabled", *units], timeout=_SYSTEMD_SECONDS)
    if code == 0 and output.split().count("enabled") == len(units):
        return
    step.note("units that start at boot", "", "\n".join(units) + "\n")
    if not step.check_mode:
        step.command(["systemctl", "enable", "--quiet", "--no-reload", *units], timeout=_SYSTEMD_SECONDS)


def _run(step: Step, daemon: Daemon) -> None:
    """Start the daemon or reload it when it has to be; it counts as running when it answers."""
    active = step.probe(["systemctl", "is-active", "--quiet", daemon.unit])[0] == 0
    pending = os.path.exists(_pending(daemon))
    if active and not pending and not daemon.deaf():
        return
    step.note(f"{daemon.unit}: {'reload' if active else 'start'}")
    if step.check_mode:
        return
    if not active:
        step.command(["systemctl", "start", daemon.switch, daemon.unit], timeout=_SYSTEMD_SECONDS, reason="probe")
    elif pending:
        step.command(["systemctl", "reload", daemon.unit], timeout=_SYSTEMD_SECONDS)
    _listen(step, daemon, restart=active)
    safe.remove_file(_pending(daemon))


def _listen(step: Step, daemon: Daemon, restart: bool) -> None:
    """Wait for the daemon. What is new to a running one, such as another port, may need one ``restart``."""
    if not wait_until_heard(daemon, _RELOAD_SECONDS if restart else _START_SECONDS):
        return
    if restart:
        step.command(["systemctl", "restart", daemon.unit], timeout=_SYSTEMD_SECONDS, reason="probe")
    if deaf := wait_until_heard(daemon, _START_SECONDS if restart else 0.0):
        raise StepFailed("probe", deaf)


def _take_back(states: Mapping[str, safe.FileState], told: list[Daemon]) -> None:
    for path, state in states.items():
        if state.content is None:
            safe.remove_file(path)
        else:
            safe.replace_file(path, state.content, state.mode, state.uid, state.gid)
    Step.probe(["systemctl", "daemon-reload"], timeout=_SYSTEMD_SECONDS)
    for daemon in told:
        Step.probe(["systemctl", "try-reload-or-restart", daemon.unit], timeout=_SYSTEMD_SECONDS)
        safe.remove_file(_pending(daemon))


def _pending(daemon: Daemon) -> str:
    return f"{RUN_DIRECTORY}/{daemon.name}.pending"


def _mark(daemon: Daemon) -> None:
    safe.replace_file(_pending(daemon), b"", 0o600)
