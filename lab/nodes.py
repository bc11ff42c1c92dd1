"""The life of a node: up, rebooted, made anew, cut off, gone."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import access, acme, addresses, cgroups, disk, image, locks, network, resolver, slowness, watches
from lab.config import DEFAULT_NODES, Lab
from lab.errors import LabError, MissingError

BOOT = Path(__file__).parent / "scripts" / "boot.sh"
NSPAWN = Path("/run/systemd/nspawn")  # made by scripts/boot.sh
BOOT_LIMIT = 60.0
STOP_LIMIT = 20.0
_CONSOLE_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Status:
    """What one look at a node tells."""

    name: str
    state: str  # running, stopped, broken (parts of it are left over)
    ipv4: str
    ipv6: str
    link: bool
    slow: bool
    ssh: bool
    memory_mib: int


def up(lab: Lab, names: Iterable[str] = (), *, disk_mib: int | None = None) -> list[str]:
    """Bring up the named nodes, by default the usual five; return those that had to be started.

    `disk_mib` limits the disk of the nodes that are made new, so that it can be filled.
    """
    wanted = list(dict.fromkeys(names)) or list(DEFAULT_NODES)
    for name in wanted:
        addresses.of(lab, name)  # refuse a bad name before anything is made
    base, _ = image.ensure(lab)
    with locks.held(lab.state):
        _prepare(lab)
        started = [name for name in wanted if _start(lab, name, base, disk_mib)]
        access.pin(lab)
        for name in wanted:
            await_ready(lab, name)
        if acme.NODE in wanted:
            acme.up(lab)
    return started


def boot(lab: Lab, name: str) -> None:
    """Start a node that was stopped or cut off; its disk is kept."""
    if not disk.exists(lab, name):
        raise LabError(f"node '{name}'", "it has no disk", f"run `python3 -m lab up {name}`")
    up(lab, [name])


def power_cut(lab: Lab, name: str) -> None:
    """End a node without any notice; the disk stays as it is at that moment."""
    _require_running(lab, name)
    with locks.held(lab.state):
        end(lab, name)


def end(lab: Lab, name: str) -> None:
    """End every process of a node."""
    access.leave(lab, name)
    cgroups.end(lab, name)


def shut_down(lab: Lab, name: str) -> None:
    """End a node in order, as `poweroff` does."""
    _require_running(lab, name)
    with suppress(LabError):  # the connection breaks while the command is still running
        access.on(lab, name, "systemctl", "poweroff", timeout=STOP_LIMIT)
    deadline = time.monotonic() + STOP_LIMIT
    while cgroups.populated(lab, name) and time.monotonic() < deadline:
        time.sleep(0.05)
    with locks.held(lab.state):
        end(lab, name)


def reset(lab: Lab, name: str) -> None:
    """Replace a node by a factory-new one of the same name and address."""
    down(lab, [name])
    up(lab, [name])


def down(lab: Lab, names: Iterable[str] = ()) -> list[str]:
    """Remove the named nodes, by default the whole lab with its resolver, bridge, keys and state."""
    only = list(names)
    with locks.held(lab.state):
        present = known(lab)
        doomed = [name for name in present if name in only or not only]
        for name in doomed:
            end(lab, name)
            slowness.unslow(lab, name)
            network.unplug(addresses.of(lab, name))
            disk.remove(lab, name)
        if acme.NODE in doomed or not only:
            acme.down(lab)
        if only:
            access.pin(lab)
        else:
            _remove_rest(lab)
    return doomed


def known(lab: Lab) -> list[str]:
    """Return every node of which anything exists: a disk, a group or a namespace."""
    prefix = f"{lab.bridge}-"
    spaces = [path.name.removeprefix(prefix) for path in network.NAMESPACES.glob(f"{prefix}*")]
    folders = [path.name for path in lab.state.glob("nodes/*/")]
    return sorted(name for name in {*spaces, *folders, *cgroups.names(lab)} if addresses.valid(name))


def status(lab: Lab) -> list[Status]:
    """Look at every node of which anything exists."""
    return [_look(lab, name) for name in known(lab)]


def running(lab: Lab, name: str) -> bool:
    """Say whether the node's processes are alive."""
    return cgroups.populated(lab, name)


def has_limited_disk(lab: Lab, name: str) -> bool:
    """Say whether the node's disk has a size of its own."""
    return disk.limited(lab, name).exists()


def await_ready(lab: Lab, name: str, *, limit: float = BOOT_LIMIT) -> None:
    """Wait until SSH answers and systemd has started everything; show the console when it does not."""
    deadline = time.monotonic() + limit
    address = addresses.of(lab, name)
    while not _answers(address.ipv4):
        if not running(lab, name):
            raise LabError(f"node '{name}'", "it ended while booting", _console_tail(lab, name))
        if time.monotonic() > deadline:
            raise MissingError(f"node '{name}'", f"no SSH after {limit:g} s", _console_tail(lab, name))
        time.sleep(0.1)
    left = max(5.0, deadline - time.monotonic())
    state = access.on(lab, name, "systemctl", "is-system-running", "--wait", timeout=left, check=False).stdout.strip()
    if state not in ("running", "degraded"):
        raise LabError(f"node '{name}'", f"systemd says '{state}'", _console_tail(lab, name))


def _prepare(lab: Lab) -> None:
    watches.make_room()
    network.raise_bridge(lab)
    access.ensure_key(lab)
    resolver.up(lab)


def _start(lab: Lab, name: str, base: Path, disk_mib: int | None) -> bool:
    address = addresses.of(lab, name)
    if running(lab, name):
        if network.plugged(address):
            return False
        end(lab, name)  # it lives in a namespace that nobody can reach any more
    network.plug(lab, address)
    disk.make(lab, name, base, mib=disk_mib)
    cgroups.create(lab, name)
    argv = [name, address.namespace, cgroups.relative(lab, name), address.namespace, str(disk.folder(lab, name))]
    with disk.console(lab, name).open("ab") as console:
        # A session of its own: the node must not end with the terminal that started it. Its group is its handle.
        starter = subprocess.Popen(
            ["unshare", "-m", "--propagation", "slave", "sh", str(BOOT), *argv],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    _await_first_process(lab, name, starter)
    return True


def _await_first_process(lab: Lab, name: str, starter: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + BOOT_LIMIT
    while not running(lab, name):
        if starter.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"node '{name}'", "it did not start", _console_tail(lab, name))
        time.sleep(0.02)


def _remove_rest(lab: Lab) -> None:
    resolver.down(lab)
    network.drop_bridge(lab)
    cgroups.sweep(lab)
    for path in (lab.key, lab.key.with_suffix(".pub"), lab.known_hosts, lab.ssh_config):
        path.unlink(missing_ok=True)
    for folder in (lab.state / "nodes", lab.state, NSPAWN):
        with suppress(OSError):  # something of someone else keeps the folder
            folder.rmdir()


def _look(lab: Lab, name: str) -> Status:
    address = addresses.of(lab, name)
    alive, plugged = running(lab, name), network.plugged(address)
    return Status(
        name=name,
        state="running" if alive else "stopped" if plugged and disk.exists(lab, name) else "broken",
        ipv4=address.ipv4,
        ipv6=address.ipv6,
        link=plugged and network.link_is_up(address),
        slow=slowness.is_slow(lab, name),
        ssh=alive and _answers(address.ipv4),
        memory_mib=cgroups.memory_bytes(lab, name) // 2**20 if alive else 0,
    )


def _require_running(lab: Lab, name: str) -> None:
    addresses.of(lab, name)
    if not running(lab, name):
        raise LabError(f"node '{name}'", "it does not run", f"run `python3 -m lab up {name}`")


def _answers(ipv4: str) -> bool:
    with suppress(OSError), closing(socket.create_connection((ipv4, 22), timeout=1.0)) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _console_tail(lab: Lab, name: str) -> str:
    path = disk.console(lab, name)
    lines = path.read_text(errors="replace").splitlines()[-_CONSOLE_LINES:] if path.exists() else []
    return f"the end of {path}:\n" + "\n".join(f"    {line}" for line in lines)
