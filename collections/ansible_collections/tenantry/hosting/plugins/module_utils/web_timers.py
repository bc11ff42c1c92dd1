# SPDX-License-Identifier: Apache-2.0
"""Cron jobs of accounts: a systemd timer and service each. A job runs as the account's user, within the account's limits and
behind the same walls as its PHP.

    /etc/systemd/system/tenantry-cron-USER-NAME.timer, .service
    /etc/tenantry/web/cron/USER/NAME   the command, as it was given: only a shell ever interprets it

Both units ask for the account's suspension themselves, so that nothing starts by itself, after a reboot either.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    daemon,
    web_register,
    web_timer_units,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail
from ansible_collections.tenantry.hosting.plugins.module_utils.web_timer_units import Job

KIND = web_register.CRON
_UNITS = "/etc/systemd/system"
_WANTS = f"{_UNITS}/timers.target.wants"


def unit_path(unit: str) -> str:
    """Return where a unit of ours lies."""
    return f"{_UNITS}/{unit}"


def is_known(username: str, name: str) -> bool:
    """Whether a unit of this job's name exists."""
    return any(os.path.lexists(unit_path(web_timer_units.unit(username, name, kind))) for kind in ("timer", "service"))


def ensure(step: Step, job: Job, is_enabled: bool, is_suspended: bool) -> None:
    """Ensure the command, the units, and that the timer waits or does not."""
    _require_calendar(step, job)
    timer, service = (web_timer_units.unit(job.username, job.name, kind) for kind in ("timer", "service"))
    step.directory(web_timer_units.COMMANDS, 0o711)
    step.directory(web_timer_units.folder(job.username), 0o750, 0, job.username)
    step.file(web_timer_units.command_path(job.username, job.name), job.command + "\n", 0o640, 0, job.username)
    with daemon.serialised("systemd", step.check_mode):
        texts = {timer: web_timer_units.timer(job), service: web_timer_units.service(job)}
        differs = [unit for unit, text in texts.items() if step.file(unit_path(unit), text)]
        _load(step, texts, bool(differs))
        _switch(step, timer, is_enabled, is_enabled and not is_suspended, timer in differs)
    if not is_enabled or is_suspended:
        _stop(step, service)


def _require_calendar(step: Step, job: Job) -> None:
    for line in job.calendar:
        code, said = step.probe(["systemd-analyze", "calendar", "--", line])
        if code != 0 and not (step.check_mode and code == 127):
            raise StepFailed("rejected", f"systemd refuses the schedule {line}: {tail(said)}")


def _load(step: Step, texts: Mapping[str, str], differs: bool) -> None:
    """Let systemd take up the units, also those that a step wrote which died before it came to this."""
    if step.check_mode:
        return
    stale = [
        unit for unit in texts if daemon.unit_properties(unit, "NeedDaemonReload").get("NeedDaemonReload") == "yes"
    ]
    if stale and not differs:
        step.note(" ".join(stale), "", "loaded again\n")
    if stale or differs:
        step.command(["systemctl", "daemon-reload"])
    for unit in texts:
        state = daemon.unit_properties(unit, "LoadState").get("LoadState")
        if state != "loaded":
            raise StepFailed("probe", f"systemd does not take {unit} ({state}); see `systemctl status {unit}`")


def _switch(step: Step, timer: str, is_enabled: bool, is_running: bool, is_new: bool) -> None:
    link = f"{_WANTS}/{timer}"
    if os.path.lexists(link) != is_enabled:
        step.note(link, "" if is_enabled else "enabled\n", "enabled\n" if is_enabled else "")
        if not step.check_mode:
            step.command(["systemctl", "enable" if is_enabled else "disable", "--no-reload", "--", timer])
    now = daemon.is_active(timer)
    if now != is_running:
        step.note(timer, *(("", "waiting\n") if is_running else ("waiting\n", "")))
    if step.check_mode or (now == is_running and not (is_new and is_running)):
        return
    step.command(["systemctl", "restart" if is_running else "stop", "--", timer])
    if daemon.is_active(timer) != is_running:
        raise StepFailed("probe", f"{timer} does not {'wait' if is_running else 'end'}; see `systemctl status {timer}`")


def _stop(step: Step, unit: str) -> bool:
    """Ensure that a unit does not run; True when it did."""
    if daemon.unit_properties(unit, "ActiveState").get("ActiveState") in ("inactive", "failed", "", None):
        return False
    step.note(unit, "active\n", "")
    if not step.check_mode:
        step.command(["systemctl", "stop", "--", unit], timeout=60)
    return True


def of_account(username: str) -> list[str]:
    """Return the names of the account's cron jobs."""
    return web_register.of_account(KIND, username)


def drop(step: Step, username: str, name: str, owner: str) -> None:
    """Remove one job of an account, unless it belongs to somebody else; a run of it ends."""
    with daemon.serialised("systemd", step.check_mode):
        if not web_register.may_remove(step, KIND, username, name, owner, is_known(username, name)):
            return
        units = [web_timer_units.unit(username, name, kind) for kind in ("timer", "service")]
        _take_down(step, units)
        step.absent(web_timer_units.command_path(username, name))
        if not step.check_mode:
            web_register.remove_empty(web_timer_units.folder(username))
        web_register.strike(step, KIND, username, name)


def _take_down(step: Step, units: list[str]) -> None:
    for unit in units:
        _stop(step, unit)
    link = f"{_WANTS}/{units[0]}"
    if os.path.lexists(link):
        step.note(link, "enabled\n", "")
        if not step.check_mode:
            os.unlink(link)
    gone = [unit for unit in units if step.absent(unit_path(unit))]
    if step.check_mode:
        return
    known = [unit for unit in units if daemon.unit_properties(unit, "LoadState").get("LoadState") == "loaded"]
    if gone or known:
        step.command(["systemctl", "daemon-reload"])
        step.probe(["systemctl", "reset-failed", "--", *units])  # refused where there is nothing to forget


def drop_all(step: Step, username: str, owner: str) -> None:
    """Remove every job of an account that is the owner's."""
    for name in of_account(username):
        drop(step, username, name, owner)


def state(step: Step, username: str) -> dict[str, Any]:  # noqa: ARG001 - as in the other areas
    """Return what suspending the account must remember: nothing, a unit itself says whether it is enabled."""
    return {}


def hold(step: Step, username: str) -> dict[str, Any]:
    """Stop the account's timers and the runs of its jobs; while the account is suspended none of them starts."""
    for name in of_account(username):
        for kind in ("timer", "service"):
            _stop(step, web_timer_units.unit(username, name, kind))
    return {}


def release(step: Step, username: str, saved: dict[str, Any]) -> None:  # noqa: ARG001 - as in the other areas
    """Let those of the account's timers wait again that are enabled; the account is not suspended any more."""
    for name in of_account(username):
        timer = web_timer_units.unit(username, name, "timer")
        if os.path.lexists(f"{_WANTS}/{timer}") and not daemon.is_active(timer):
            step.note(timer, "", "waiting\n")
            if not step.check_mode:
                step.command(["systemctl", "start", "--", timer])
