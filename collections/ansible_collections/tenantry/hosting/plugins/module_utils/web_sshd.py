# SPDX-License-Identifier: Apache-2.0
"""sshd on a web node: our drop-in confines SFTP logins and nobody else. Who could log in before must still be able to."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, files, web_probe, web_sftp_users
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

KEYS = "/etc/tenantry/web/sftp/keys"
ROOTS = "/etc/tenantry/web/sftp/roots"
DROP_INS = "/etc/ssh/sshd_config.d/"
_MAIN = "/etc/ssh/sshd_config"
_UNIT = "ssh.service"
_PENDING = "/etc/tenantry/web/sftp/.sshd-to-reload"  # outlives a step that died before the reload
_STAGE = "/run/tenantry/stage"
_CONFINED = {
    "chrootdirectory": f"{ROOTS}/%U",
    "authorizedkeysfile": f"{KEYS}/%u",
    "authorizedkeyscommand": "none",
    "permittty": "no",
    "disableforwarding": "yes",
    "allowtcpforwarding": "no",
    "allowstreamlocalforwarding": "no",
    "allowagentforwarding": "no",
    "x11forwarding": "no",
    "permittunnel": "no",
}
_BANNER = b"SSH-2.0-"
_SECONDS = 10.0


def ensure_groups(step: Step) -> None:
    """Ensure the groups by which sshd knows SFTP logins."""
    for name in (web_sftp_users.GROUP, web_sftp_users.HELD_GROUP):
        with contextlib.suppress(KeyError):
            grp.getgrnam(name)
            continue
        step.note(f"group {name}", "", "system\n")
        if not step.check_mode:
            step.command(["groupadd", "--system", name])


def ensure(step: Step, wanted: Mapping[str, str]) -> None:
    """Ensure our drop-ins in the running sshd; one that changes anything for the people who log in is put back."""
    with daemon.serialised("sshd", step.check_mode):
        before = {path: files.read_state(path).content for path in wanted}
        differs = any(before[path] != content.encode() for path, content in wanted.items())
        if differs and not step.check_mode:
            _test(step, wanted)
            files.replace_file(_PENDING, b"", 0o600)
        for path, content in wanted.items():
            step.file(path, content)
        if not step.check_mode and os.path.exists(_PENDING):
            _load(step)
            files.remove_file(_PENDING)


def _test(step: Step, wanted: Mapping[str, str]) -> None:
    """Try the whole configuration with our files in it, and what it means for root and for whoever runs this step."""
    code, said = step.probe(["sshd", "-t"])
    if code != 0:
        raise StepFailed("config_broken", f"sshd's configuration was broken before this step: {tail(said)}")
    os.makedirs(_STAGE, mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_STAGE) as folder:
        staged = _staged(folder, wanted)
        code, said = step.probe(["sshd", "-t", "-f", staged])
        if code != 0:
            raise StepFailed("rejected", f"sshd refuses the new configuration: {tail(said)}")
        for user in sorted({"root", os.environ.get("SUDO_USER") or "root"}):
            if _effective(step, user, staged) != _effective(step, user, _MAIN):
                raise StepFailed("rejected", f"the new configuration of sshd would change how {user} logs in")


def _staged(folder: str, wanted: Mapping[str, str]) -> str:
    inner = f"{folder}/drop-ins/"
    shutil.copytree(DROP_INS, inner)
    for path, content in wanted.items():
        files.replace_file(inner + os.path.basename(path), content.encode(), 0o600)
    text = (files.read_state(_MAIN).content or b"").decode("utf-8", "replace")
    if not re.search(rf"(?im)^\s*include\s+\"?{DROP_INS}", text):
        raise StepFailed("config_broken", f"{_MAIN} does not include {DROP_INS}*.conf; put that line first")
    path = f"{folder}/sshd_config"
    files.replace_file(path, text.replace(DROP_INS, inner).encode(), 0o600)
    return path


def _effective(step: Step, user: str, path: str) -> dict[str, str]:
    """Return what sshd would do for a user: its settings by name."""
    asked = ["sshd", "-T", "-f", path, "-C", f"user={user},host=localhost,addr=127.0.0.1"]
    lines = step.command(asked, reason="config_broken").splitlines()
    found: dict[str, str] = {}
    for name, _, value in (line.partition(" ") for line in lines):
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def _load(step: Step) -> None:
    step.command(["systemctl", "try-reload-or-restart", _UNIT])
    ports = _effective(step, "root", _MAIN).get("port", "22").split("\n")
    if daemon.is_active(_UNIT) and not web_probe.eventually(lambda: any(map(_answers, ports)), _SECONDS):
        raise StepFailed("probe", "sshd does not answer after its reload; see `journalctl -u ssh`")


def _answers(port: str) -> bool:
    for address in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError), socket.create_connection((address, int(port)), 2.0) as connection:
            return connection.recv(len(_BANNER)) == _BANNER
    return False


def require_confined(step: Step, login: str) -> None:
    """Refuse a node on which a login would get more than file transfer in its account's home."""
    found = _effective(step, login, _MAIN)
    wrong = [name for name, value in _CONFINED.items() if found.get(name) != value]
    if not found.get("forcecommand", "").startswith("internal-sftp"):
        wrong.append("forcecommand")
    if web_sftp_users.HELD_GROUP not in found.get("denygroups", "").split():
        wrong.append("denygroups")
    if wrong or os.path.exists(_PENDING):
        what = ", ".join(wrong) or "not loaded yet"
        raise StepFailed("config_broken", f"sshd does not confine SFTP logins ({what}); run server.prepare")
