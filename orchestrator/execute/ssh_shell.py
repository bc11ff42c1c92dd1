"""Constant commands on a server by plain SSH, for questions that are asked before or beside any playbook."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import Unavailable
from orchestrator.core.records import Host
from orchestrator.execute import environment, target

_SYSTEM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def opened(host: Host, private_key: Path, timeout: float) -> Iterator[Shell]:
    """Yield a way to run commands on a server whose pinned keys are checked; ``timeout`` is in seconds for each."""
    with tempfile.TemporaryDirectory(prefix="tenantry-probe-") as folder:
        known_hosts = Path(folder) / "known_hosts"
        known_hosts.write_text(target.known_hosts(host))
        yield Shell(host, private_key, known_hosts, timeout)


@dataclass(frozen=True)
class Shell:
    """Runs constant commands on the server, with the options that every run has."""

    host: Host
    private_key: Path
    known_hosts: Path
    timeout: float

    def run(self, command: str) -> tuple[int, str, str]:
        """Return (exit code, output, errors) of one remote command; 255 when ssh itself failed."""
        options = environment.ssh_options(self.known_hosts, max(1, round(self.timeout)))
        login = ["-T", "-i", str(self.private_key), "-p", str(self.host.port), "-l", self.host.login]
        return run(["ssh", *options, *login, "--", self.host.address, command], self.timeout * 2 + 5)


def run(argv: list[str], timeout: float) -> tuple[int, str, str]:
    """Return (exit code, output, errors); a program that takes too long counts as failed with 255."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_SYSTEM,
        )
    except FileNotFoundError:
        raise Unavailable(f"{argv[0]} is not installed on this machine; install openssh-client") from None
    except subprocess.TimeoutExpired:
        return 255, "", "timed out"
    return done.returncode, done.stdout, done.stderr
