"""Logging in: the lab's key, the pinned host keys and running a command on a node.

`on` keeps its connection for a while: a login costs ten times as much as the command (keys, logind, a user manager).
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from lab import addresses
from lab.config import LOGIN, Lab
from lab.errors import LabError, MissingError
from lab.process import run

HOST_KEY = Path("etc/ssh/ssh_host_ed25519_key")
_SSH_UNREACHABLE = 255
_KEPT_SECONDS = 60
_RUN = Path("/run")  # the path of a socket may have 107 characters


def ensure_key(lab: Lab) -> None:
    """Make the lab's login key unless it is there."""
    if not lab.key.exists():
        _keygen(lab.key, f"{LOGIN}@{lab.bridge}")


def make_host_key(root: Path, name: str) -> None:
    """Give a node's disk a host key of its own before its first boot."""
    target = root / HOST_KEY
    target.parent.mkdir(parents=True, exist_ok=True)
    _keygen(target, f"root@{name}")


def pin(lab: Lab) -> None:
    """Write `known_hosts` and `ssh_config` from the keys on the nodes' disks, not from what answers."""
    pins, hosts = [], [_ssh_defaults(lab)]
    for folder in sorted(lab.state.glob("nodes/*/")):
        address = addresses.of(lab, folder.name)
        public = (folder / "upper" / HOST_KEY).with_suffix(".pub")
        if public.exists():
            key = " ".join(public.read_text().split()[:2])
            pins.append(f"{address.name},{address.fqdn},{address.ipv4},{address.ipv6} {key}\n")
            hosts.append(f"Host {address.name} {address.fqdn}\n    HostName {address.ipv4}\n")
    replace(lab.known_hosts, "".join(pins))
    # ssh takes the first value it meets, so what holds for every host comes last.
    replace(lab.ssh_config, "".join([*hosts[1:], hosts[0]]))


def command(lab: Lab, name: str, remote: str = "") -> list[str]:
    """Return the ssh command line that logs in to a node or runs a shell command there as the login user."""
    return ["ssh", "-F", str(lab.ssh_config), name, *([remote] if remote else [])]


def on(
    lab: Lab,
    name: str,
    *argv: str,
    stdin: str | None = None,
    timeout: float = 60.0,
    check: bool = True,
    root: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run one command on a node, as root unless told otherwise, and return its result."""
    remote = shlex.join(["sudo", "-n", "--", *argv] if root else argv)
    program, *rest = command(lab, name, remote)
    result = run([program, *_kept(lab, name), *rest], stdin=stdin, timeout=timeout, check=False)
    if result.returncode == _SSH_UNREACHABLE:
        raise MissingError(f"node '{name}'", result.stderr.strip() or "no answer", f"run `python3 -m lab up {name}`")
    if check and result.returncode != 0:
        why = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()[-1]
        raise LabError(f"{name}: {shlex.join(argv)}", why, f"try it with `python3 -m lab ssh {name}`")
    return result


def leave(lab: Lab, name: str) -> None:
    """Give up the connection that `on` has kept: the node is about to be out of reach."""
    socket = _socket(lab, name)
    if socket.exists():
        run(["ssh", "-F", str(lab.ssh_config), "-o", f"ControlPath={socket}", "-O", "exit", name], check=False)
        socket.unlink(missing_ok=True)  # its process may have been killed


def _kept(lab: Lab, name: str) -> list[str]:
    settings = {"ControlMaster": "auto", "ControlPath": _socket(lab, name), "ControlPersist": _KEPT_SECONDS}
    return [f"-o{option}={value}" for option, value in settings.items()]


def _socket(lab: Lab, name: str) -> Path:
    return _RUN / f"{lab.bridge}-{name}.ssh"


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.rename(path)


def _keygen(path: Path, comment: str) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def _ssh_defaults(lab: Lab) -> str:
    options = {
        "User": LOGIN,
        "IdentityFile": lab.key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": lab.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 5,
        "ServerAliveInterval": 5,
        "ServerAliveCountMax": 3,
        "LogLevel": "ERROR",
    }
    return "Host *\n" + "".join(f"    {name} {value}\n" for name, value in options.items())
