# SPDX-License-Identifier: Apache-2.0
"""The PHP-FPM of one account: a systemd socket and service for each PHP version, started by the first request.

The socket belongs to systemd, so requests wait while PHP-FPM reloads or starts, and none is refused. The units are templates
that are there already: systemd is not made to read all of its files again for one more account.
"""

from __future__ import annotations

import os
import re
import tempfile

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, files, web_account, web_probe, web_render
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

_UNITS = "/etc/systemd/system"
_STAGE = "/run/tenantry/stage"
_LOAD_SECONDS = 15.0
_STOP_SECONDS = 60.0


def unit(username: str, version: str, kind: str) -> str:
    """Return the name of the account's socket or service."""
    return f"tenantry-php{version}@{username}.{kind}"


def pool_path(username: str, version: str) -> str:
    """Return where the configuration of the account's PHP-FPM lies."""
    return f"{web_account.POOLS}/{version}/{username}.conf"


def versions() -> list[str]:
    """Return the PHP versions that this node is set up for."""
    pattern = re.compile(r"tenantry-php([0-9.]+)@\.service")
    units = [found[1] for name in os.listdir(_UNITS) if (found := pattern.fullmatch(name))]
    return sorted(version for version in units if os.path.exists(f"/usr/sbin/php-fpm{version}"))


def require_version(step: Step, version: str) -> None:
    """Refuse a version that the node does not have; a node that is still to be prepared passes in check mode."""
    there = versions()
    if version in there or (step.check_mode and not there):
        return
    have = f"it has {', '.join(there)}" if there else "it has none; run server.prepare with the web role"
    raise StepFailed("missing_software", f"PHP {version} is not installed on this node: {have}")


def ensure_running(step: Step, username: str, version: str, text: str, mark: str, asleep: bool = False) -> None:
    """Ensure the configuration, the socket and that a running PHP-FPM goes by it; put back what does not work.

    ``asleep``: everything is made ready and nothing is started, because the account is suspended.
    """
    path = pool_path(username, version)
    before = files.read_state(path)
    differs = before.content != text.encode()
    if differs and not step.check_mode:
        _test(version, text)
    step.directory(os.path.dirname(path), 0o711)
    step.file(path, text, 0o640, 0, username)
    _ensure_socket(step, username, version, asleep)
    if step.check_mode or asleep:
        return
    service, socket = unit(username, version, "service"), web_render.socket(username, version)
    if daemon.is_active(service) and web_probe.php_mark(socket) != mark:
        _reload(step, service, differs)
    if web_probe.eventually(lambda: web_probe.php_mark(socket) == mark, _LOAD_SECONDS):
        return
    if differs:
        _put_back(step, path, before, service)
        raise StepFailed(
            "probe", f"PHP {version} of {username} does not answer with its new configuration; it was put back"
        )
    raise StepFailed("probe", f"PHP {version} of {username} does not answer; see `journalctl -u {service}`")


def _test(version: str, text: str) -> None:
    os.makedirs(_STAGE, mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_STAGE) as folder:
        path = os.path.join(folder, "pool.conf")
        files.replace_file(path, text.encode(), 0o600)
        code, output = Step.probe([f"php-fpm{version}", "-t", "-y", path])
    if code != 0:
        raise StepFailed("rejected", f"PHP-FPM refuses the new configuration: {tail(output)}")


def _ensure_socket(step: Step, username: str, version: str, asleep: bool) -> None:
    socket = unit(username, version, "socket")
    if _is_enabled(socket) and (asleep or daemon.is_active(socket)):
        return
    step.note(socket, "", "enabled\n" if asleep else "enabled, listening\n")
    if not step.check_mode:
        with daemon.serialised("systemd"):
            step.command(["systemctl", "enable", "--no-reload", *([] if asleep else ["--now"]), "--", socket])


def _is_enabled(socket: str) -> bool:
    return os.path.lexists(f"{_UNITS}/sockets.target.wants/{socket}")


def _reload(step: Step, service: str, differs: bool) -> None:
    """Let PHP-FPM finish its requests and read its file again, which was there already unless it ``differs``."""
    if not differs:
        step.note(service, "", "loads its file again\n")
    step.command(["systemctl", "reload", "--", service])


def _put_back(step: Step, path: str, before: files.FileState, service: str) -> None:
    if before.content is None:
        files.remove_file(path)
        step.probe(["systemctl", "disable", "--no-reload", "--now", "--", service.removesuffix("service") + "socket"])
        step.probe(["systemctl", "stop", "--", service])
    else:
        files.replace_file(path, before.content, before.mode, before.uid, before.gid)
        step.probe(["systemctl", "reload", "--", service])


def end_others(step: Step, username: str, version: str) -> None:
    """End the account's PHP-FPM of every other version; nginx uses it no longer."""
    for other in _others(username, version):
        socket, service = unit(username, other, "socket"), unit(username, other, "service")
        step.note(socket, "listening\n", "")
        if not step.check_mode:
            with daemon.serialised("systemd"):
                step.command(["systemctl", "disable", "--no-reload", "--now", "--", socket])
            step.command(["systemctl", "stop", "--no-block", "--", service])  # it finishes its requests
        step.absent(pool_path(username, other))


def _others(username: str, version: str) -> list[str]:
    return [name for name in pools(username) if name != version]


def pools(username: str) -> list[str]:
    """Return the PHP versions that the account is set up for."""
    try:
        found = os.listdir(web_account.POOLS)
    except FileNotFoundError:
        return []
    return [name for name in sorted(found) if os.path.exists(pool_path(username, name))]


def stop(step: Step, username: str) -> None:
    """Let no more requests in; the services end without being waited for, their processes are the caller's affair."""
    running = [name for name in _units(username) if _runs(name)]
    for name in running:
        step.note(name, "active\n", "inactive\n")
    if running and not step.check_mode:
        sockets = [name for name in running if name.endswith(".socket")]
        if sockets:
            step.command(["systemctl", "stop", "--", *sockets])
        step.command(["systemctl", "stop", "--no-block", "--", *running])


def require_stopped(step: Step, username: str) -> None:
    """Wait until systemd has seen the end of every service, and let it forget those that were killed."""
    if step.check_mode:
        return
    units = _units(username)
    if not web_probe.eventually(lambda: not any(map(_runs, units)), _STOP_SECONDS):
        raise StepFailed("busy", f"PHP of {username} does not end; see `systemctl list-jobs`")
    failed = [name for name in units if daemon.unit_properties(name, "ActiveState").get("ActiveState") == "failed"]
    if failed:
        step.command(["systemctl", "reset-failed", "--", *failed])


def _units(username: str) -> list[str]:
    known = sorted({*versions(), *pools(username)})
    return [unit(username, version, kind) for version in known for kind in ("socket", "service")]


def _runs(name: str) -> bool:
    return daemon.unit_properties(name, "ActiveState").get("ActiveState") not in ("inactive", "failed", "", None)


def wake(step: Step, username: str) -> None:
    """Ensure that the account's PHP is there for the next request, and answers."""
    for version in pools(username):
        _ensure_socket(step, username, version, asleep=False)
        socket = web_render.socket(username, version)
        if step.check_mode or web_probe.eventually(lambda: web_probe.php_mark(socket) != "", _LOAD_SECONDS):  # noqa: B023 - used at once
            continue
        name = unit(username, version, "service")
        raise StepFailed("probe", f"PHP {version} of {username} does not answer; see `journalctl -u {name}`")


def remove(step: Step, username: str) -> None:
    """Ensure that the account has no PHP of any version. The caller has stopped it."""
    for name in _units(username):
        if name.endswith(".socket") and _is_enabled(name):
            step.note(name, "enabled\n", "")
            if not step.check_mode:
                with daemon.serialised("systemd"):
                    step.command(["systemctl", "disable", "--no-reload", "--now", "--", name])
    for version in pools(username):
        step.absent(pool_path(username, version))
