# SPDX-License-Identifier: Apache-2.0
"""What a web node needs before its first account: files of systemd and MariaDB, units on and off, nginx with our tree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, web_nginx, web_probe, web_render, web_swap
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_ANYBODY = "unknown.invalid"  # a name no site has: the default site answers
_MARK = "@MARK@"


def require_software(step: Step, versions: Sequence[str]) -> None:
    """Refuse a node without the programs; in check mode they may still be to come."""
    programs = ["/usr/sbin/nginx", "/usr/sbin/mariadbd", *(f"/usr/sbin/php-fpm{version}" for version in versions)]
    missing = [program for program in programs if not os.path.exists(program)]
    if missing and not step.check_mode:
        raise StepFailed("missing_software", f"{', '.join(missing)} missing: the packages are not installed")


def require_nginx(step: Step) -> None:
    """Refuse a node without nginx; in check mode it may still be to come."""
    if not os.path.exists("/usr/sbin/nginx") and not step.check_mode:
        raise StepFailed("missing_software", "nginx missing: the packages are not installed")


def ensure_files(step: Step, wanted: Mapping[str, str]) -> None:
    """Ensure the files and let systemd and MariaDB take up what has changed of theirs."""
    changed = [path for path, content in wanted.items() if step.file(path, content)]
    if step.check_mode:
        return
    if any(path.startswith("/etc/systemd/") for path in changed):
        step.command(["systemctl", "daemon-reload"])
    for path in changed:
        if path.startswith("/etc/tmpfiles.d/"):
            step.command(["systemd-tmpfiles", "--create", path])
    if any(path.startswith("/etc/mysql/") for path in changed) and daemon.is_active("mariadb.service"):
        step.command(["systemctl", "restart", "mariadb.service"], timeout=300)


def switch_on(step: Step, unit: str) -> None:
    """Ensure that a unit runs now and starts at boot."""
    now = daemon.unit_properties(unit, "ActiveState", "UnitFileState")
    if now == {"ActiveState": "active", "UnitFileState": "enabled"}:
        return
    step.note(unit, _shown(now), "active enabled\n")
    if not step.check_mode:
        step.command(["systemctl", "enable", "--now", unit], timeout=300)


def switch_off(step: Step, unit: str) -> None:
    """Ensure that a unit does not run and does not start at boot."""
    now = daemon.unit_properties(unit, "ActiveState", "UnitFileState")
    if now.get("ActiveState") != "active" and now.get("UnitFileState") in ("disabled", "masked", ""):
        return
    step.note(unit, _shown(now), "inactive disabled\n")
    if not step.check_mode:
        step.command(["systemctl", "disable", "--now", unit], timeout=60)


def _shown(now: Mapping[str, str]) -> str:
    return "%s %s\n" % (now.get("ActiveState", "unknown"), now.get("UnitFileState", "unknown"))


def ensure_nginx(step: Step, given: Mapping[str, str]) -> None:
    """Ensure our files of nginx in the running nginx; on a new node it is started with them."""
    mark = web_render.mark_of("".join(f"{path}\n{content}\n" for path, content in sorted(given.items())))
    wanted = {path: content.replace(_MARK, mark) for path, content in given.items()}
    if not step.check_mode and not daemon.is_active(web_nginx.UNIT):
        with daemon.serialised("nginx"):
            _start(step, wanted)
    web_nginx.apply(step, wanted, lambda: mark in web_probe.loaded_marks(_ANYBODY))
    switch_on(step, web_nginx.UNIT)


def _start(step: Step, wanted: Mapping[str, str]) -> None:
    """Put the files in place while nginx is down, tested first, then start it."""
    web_nginx.require_valid(step, wanted)
    for path, content in wanted.items():
        step.file(path, content, web_swap.MODE)
    switch_on(step, web_nginx.UNIT)
