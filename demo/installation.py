"""One installation of the orchestrator in a folder of its own, used as a person would: through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import views
from lab import addresses
from lab.config import DOMAIN, LOGIN, Lab

PROJECT = Path(__file__).resolve().parents[1]
GROUP, PACKAGE = "standard", "small"
_COMMAND = (sys.executable, "-m", "orchestrator")
_POLL_SECONDS = 0.2
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "COLUMNS")


class Failed(Exception):
    """Something of the installation did not do what it should; the text says what and where to look."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the lab as the installation knows it; ``roles`` are told by its name unless they are given."""

    name: str
    roles: str = ""

    @property
    def role_list(self) -> str:
        """The roles, separated by commas."""
        return self.roles or self.name.rstrip("0123456789")


class Installation:
    """A database, a home and an orchestrator process."""

    def __init__(self, folder: Path, lab: Lab, database_url: str = "", more: Mapping[str, str] | None = None) -> None:
        self.folder, self.lab = folder, lab
        self.database_url = database_url or f"sqlite:///{folder / 'tenantry.db'}"
        self.log = folder / "orchestrator.log"
        self._pid_file = folder / "orchestrator.pid"
        self._more = dict(more or {})
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of every command."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {
            "TENANTRY_DATABASE_URL": self.database_url,
            "TENANTRY_HOME": str(self.folder),
            "TENANTRY_SSH_KEY": str(self.lab.key),
        }
        return {**kept, **own, **self._more}

    def tenantry(
        self, *arguments: str, given: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; Failed shows what it said."""
        done = subprocess.run(
            [*_COMMAND, *arguments],
            env=self.environment,
            cwd=PROJECT,
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if check and done.returncode != 0:
            raise Failed(f"tenantry {' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done

    def watch(self, *arguments: str, given: str | None = None) -> int:
        """Run one command on this terminal and return its exit code."""
        command = [*_COMMAND, *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=PROJECT, input=given, text=True, timeout=1200, check=False
        ).returncode

    def json(self, *arguments: str) -> Any:
        """Run one command with --json and return what it printed."""
        return json.loads(self.tenantry(*arguments, "--json").stdout)

    def set_up(self, nodes: Iterable[Node], limits: Iterable[str] = ()) -> None:
        """Create the database, a group, a package and the servers; what is there already stays.

        No CA is asked for anything, and no server for its usage: whoever compares nodes wants to see his own changes only.
        """
        self.tenantry("init")
        self.tenantry("settings", "set", "ssl.directory", "")
        self.tenantry("settings", "set", "usage.interval_minutes", "0")
        if not any(row["name"] == GROUP for row in self.json("group", "list")):
            self.tenantry("group", "add", GROUP)
        if not any(row["name"] == PACKAGE for row in self.json("package", "list")):
            pairs = [word for limit in limits for word in ("--limit", limit)]
            self.tenantry("package", "add", PACKAGE, *pairs)
        known = {row["name"] for row in self.json("server", "list")}
        for node in nodes:
            if node.name not in known:
                self._add(node)

    def _add(self, node: Node) -> None:
        address = addresses.of(self.lab, node.name)
        role, digits = node.name.rstrip("0123456789"), node.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        hostname = f"ns{digits}.{DOMAIN}" if role == "dns" else address.fqdn
        keys = [word for key in pinned_keys(self.lab, address.ipv4) for word in ("--host-key", key)]
        self.tenantry(
            *("server", "add", node.name, "--address", address.ipv4, "--ipv6", address.ipv6),
            *("--roles", node.role_list, "--group", GROUP, "--hostname", hostname, "--login", LOGIN, *keys),
        )

    def prepare(self, names: Iterable[str], seconds: float = 600.0) -> None:
        """Set up the software of servers, all at once; the orchestrator must be running."""
        [(before,)] = self.read("SELECT COALESCE(MAX(id), 0) FROM v_tasks")
        for name in names:
            self.tenantry("server", "prepare", name)
        deadline = time.monotonic() + seconds
        tasks = "SELECT server, status, error FROM v_tasks WHERE action = 'server.prepare' AND id > ?"
        while True:
            rows = self.read(tasks, before)
            for server, _, error in rows:
                if error:
                    raise Failed(f"{server}: {error}")
            if all(status == "done" for _, status, _ in rows):
                return
            self._wait(deadline, "the servers are not prepared")

    def read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the database, with ``?`` for each value."""
        return views.read(self.database_url, statement, *values)

    def await_service(self, service: int, status: str = "active", seconds: float = 180.0) -> Any:
        """Wait until a service has this status and return it; Failed tells the timeline when it has not in time."""
        deadline = time.monotonic() + seconds
        while True:
            [(found, error)] = self.read("SELECT status, error FROM v_services WHERE id = ?", service) or [("", "")]
            if found == status:
                return next(row for row in self.json("service", "list") if row["id"] == service)
            if found == "failed":
                raise Failed(f"service {service} failed: {error}")
            self._wait(deadline, f"service {service} is {found or 'not there'}; open: {self._open_steps(service)}")

    def _open_steps(self, service: int) -> list[tuple[Any, ...]]:
        open_steps = "SELECT step, server, status, error FROM v_timeline WHERE service_id = ? AND status <> 'done'"
        return self.read(open_steps, service)

    def _wait(self, deadline: float, problem: str) -> None:
        if time.monotonic() > deadline:
            raise Failed(f"{problem}; see {self.log}")
        time.sleep(_POLL_SECONDS)

    def start(self) -> int:
        """Start the orchestrator, which outlives this process, and return its process id."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*_COMMAND, "run", "--log-json"],
                env=self.environment,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(str(process.pid))
        while self.pid() is None and process.poll() is None:  # the kernel is about to give it its command line
            time.sleep(0.01)
        return process.pid

    def pid(self) -> int | None:
        """Return the process id of the orchestrator that `start` began, None when it does not run."""
        try:
            number = int(self._pid_file.read_text())
            command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return number if b"orchestrator" in command and b"run" in command else None

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 120.0) -> None:
        """Signal the orchestrator and wait until it has ended; SIGTERM lets it finish what it has begun."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            _reap(pid)
            self._wait(deadline, f"the orchestrator {pid} does not end")
        self._pid_file.unlink(missing_ok=True)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # it was started by another process


def pinned_keys(lab: Lab, ipv4: str) -> list[str]:
    """Return the host keys of a node as they lie on its disk: "type base64"."""
    lines = (line.split(" ", 1) for line in lab.known_hosts.read_text().splitlines())
    return [key for names, key in lines if ipv4 in names.split(",")]
