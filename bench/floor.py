"""The floor: the node work of a deploy as hand-written shell over warm SSH connections, all nodes at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.site import NODES
from demo import outside
from demo.installation import Installation
from lab import addresses

_SCRIPT = (Path(__file__).parent / "floor.sh").read_text()
_TIMEOUT = 60


@contextmanager
def connections(site: Installation) -> Iterator[dict[str, list[str]]]:
    """Yield the command that reaches each node over a connection that is open."""
    shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={site.folder}/f-%C", "-o", "ControlPersist=60"]
    commands = {node.name: ["ssh", "-F", str(site.lab.ssh_config), *shared, node.name] for node in NODES}
    for command in commands.values():
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=_TIMEOUT)
    try:
        yield commands
    finally:
        for command in commands.values():
            subprocess.run(
                [*command[:-1], "-O", "exit", command[-1]], check=False, capture_output=True, timeout=_TIMEOUT
            )


def deploy(site: Installation, commands: dict[str, list[str]], number: int) -> float:
    """Deploy a service by shell on every node at once and return the seconds it took; it is removed afterwards.

    What has to wait waits for nothing else: the record with the key for the key and its zones.
    """
    arguments = f"floor{number}.test floor{number} {30_000 + number} {addresses.of(site.lab, 'web1').ipv4}"
    began = time.monotonic()
    running = {node.name: _begin(commands[node.name], f"{node.role_list} {arguments}") for node in NODES}
    key = _end(running["mail1"])
    for name in ("dns1", "dns2"):
        _end(running[name])
        running[name] = _begin(commands[name], f"dkim {arguments} {key}")
    for name in ("web1", "dns1", "dns2"):
        _end(running[name])
    seconds = time.monotonic() - began
    _check_answers(site, f"floor{number}.test", key)
    for process in [_begin(command, f"undo {arguments}") for command in commands.values()]:
        _end(process)
    return seconds


def _check_answers(site: Installation, domain: str, key: str) -> None:
    """Let nothing be measured that was not done: both DNS servers answer for the site, and with the key."""
    for name in ("dns1", "dns2"):
        server = addresses.of(site.lab, name).ipv4
        outside.dig(server, domain, "A")
        said = "".join(outside.dig(server, f"tenantry1._domainkey.{domain}", "TXT")).replace('" "', "")
        if key not in said:
            raise RuntimeError(f"the floor's {name} does not answer with the key of {domain}: {said[:200]}")


def _begin(command: list[str], arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*command, f"sudo sh -s {arguments}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    process.stdin.write(_SCRIPT.encode())
    process.stdin.close()
    return process


def _end(process: subprocess.Popen[bytes]) -> str:
    """Return what a script has printed."""
    assert process.stdout is not None
    said = process.stdout.read().decode()
    if process.wait(_TIMEOUT) != 0:
        raise RuntimeError(f"the floor did not hold: {said[-1000:]}")
    return said.strip()
