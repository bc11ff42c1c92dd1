"""Small playbooks in a project of their own, run on a node by the executor that the orchestrator uses."""

from __future__ import annotations

import functools
import os
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import access
from lab.config import Lab
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.execute.base import Chain
from orchestrator.execute.processes import MARK
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import ExecutorSettings
from tests.support import steps

NODE = "web12"
_HEAD = """\
- name: Probe
  hosts: web
  gather_facts: false
  become: {become}
  vars:
    job: "{{{{ lookup('ansible.builtin.file', job_file | realpath) | from_json }}}}"
  tasks:
"""
_REPORT = """\
- name: Report the result
  tenantry.hosting.report:
    results: {results}
"""


class Bench:
    """A project, a run root, a node, and the way in which helpers are started."""

    def __init__(self, root: Path, lab: Lab, mode: str) -> None:
        self.lab, self.root, self.mode = lab, root, mode
        self._executors: dict[ExecutorSettings, AnsibleExecutor] = {}
        self.project, self.run_root = root / "project", root / "runs"
        self.plays = self.project / "playbooks" / "probe"
        self.plays.mkdir(parents=True)
        for name in ("collections", "roles"):
            (self.project / name).symlink_to(PROJECT_ROOT / name)

    def play(self, name: str, tasks: str, *, results: str | None = "[]", become: bool = False) -> str:
        """Write a playbook that ends with a report (unless ``results`` is None) and return its action."""
        body = textwrap.dedent(tasks) + (_REPORT.format(results=results) if results is not None else "")
        text = _HEAD.format(become=str(become).lower()) + textwrap.indent(body, "    ")
        (self.plays / f"{name}.yml").write_text(text)
        return f"probe.{name}"

    def settings(self, **changed: Any) -> ExecutorSettings:
        """Return the settings of an executor on this bench."""
        wanted = {
            "project_root": self.project,
            "run_root": self.run_root,
            "private_key": self.lab.key,
            "grace_seconds": 1.0,
            "mode": self.mode,
        }
        return ExecutorSettings(**{**wanted, **changed})

    def executor(self, **changed: Any) -> AnsibleExecutor:
        """Return an executor with these settings, ready for its mode."""
        settings = self.settings(**changed)
        if settings not in self._executors:
            self._executors[settings] = AnsibleExecutor(settings)
        found = self._executors[settings]
        assert found.warm is None or found.warm.is_ready(30), found.warm.counts
        return found

    def close(self) -> None:
        """End what the executors hold."""
        for executor in self._executors.values():
            executor.close()

    def host(self, **changed: Any) -> Host:
        """Return the node."""
        found = steps.host(self.lab, NODE)
        return Host(**{**vars(found), **changed})

    def run(
        self,
        action: str,
        job: Mapping[str, Any] | None = None,
        *,
        timeout: int = 60,
        host: Host | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        **settings: Any,
    ) -> RunResult:
        """Run one attempt."""
        executor = self.executor(**settings)
        request = RunRequest(
            action=action,
            host=host or self.host(),
            job={"action": action, "params": {}, **(job or {})},
            timeout_seconds=timeout,
        )
        return executor.run(request, cancelled)

    def run_all(
        self,
        action: str,
        params: Sequence[Mapping[str, Any]],
        cancelled: Sequence[Callable[[], bool]] | None = None,
        *,
        timeout: int = 60,
        host: Host | None = None,
    ) -> list[RunResult]:
        """Make one run of jobs with these parameters."""
        found = self.chains([[(action, one)] for one in params], cancelled, timeout=timeout, host=host)
        assert [len(one) for one in found] == [1] * len(params)
        return [one[0] for one in found]

    def chains(
        self,
        steps: Sequence[Sequence[tuple[str, Mapping[str, Any]]]],
        cancelled: Sequence[Callable[[], bool]] | None = None,
        *,
        timeout: int = 60,
        host: Host | None = None,
        tell: Callable[[int, RunResult], None] | None = None,
    ) -> list[list[RunResult]]:
        """Make one run of chains of (action, parameters) and return what was told of each."""
        told: list[list[RunResult]] = [[] for _ in steps]

        def keep(number: int, result: RunResult) -> None:
            told[number].append(result)
            if tell:
                tell(number, result)

        where = host or self.host()
        chains = [
            Chain(
                [
                    RunRequest(
                        action=action, host=where, job={"action": action, "params": one}, timeout_seconds=timeout
                    )
                    for action, one in chain
                ],
                cancelled[number] if cancelled else lambda: False,
                functools.partial(keep, number),
            )
            for number, chain in enumerate(steps)
        ]
        self.executor().run_all(chains)
        return told

    def on(self, *argv: str, check: bool = True) -> str:
        """Run a command on the node as root and return what it printed."""
        return access.on(self.lab, NODE, *argv, check=check).stdout


def set_when_it_runs(bench: Bench) -> threading.Event:
    """Return what is set as soon as an attempt is connected to the node."""
    asked = threading.Event()

    def look() -> None:
        eventually(lambda: any("ssh" in line for line in marked(bench.run_root).values()), 30, "it runs")
        asked.set()

    threading.Thread(target=look).start()
    return asked


def marked(run_root: Path | None = None, kind: str = "a-") -> dict[int, str]:
    """Return the command lines of every process of an attempt (below ``run_root``), by number.

    ``kind`` "t-" is for templates, "c-" for shared connections.
    """
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if f"{MARK}={kind}".encode() in environment and (run_root is None or os.fsencode(run_root) in environment):
            found[int(folder.name)] = command
    return found


def named(name: str, run_root: Path, kind: str = "a-") -> list[int]:
    """Return the attempts' processes of this name, the oldest first."""
    names = {number: (Path("/proc") / str(number) / "comm") for number in marked(run_root, kind)}
    return sorted(number for number, path in names.items() if path.exists() and path.read_text().strip() == name)


def eventually(condition: Callable[[], Any], seconds: float = 15.0, what: str = "") -> Any:
    """Return the first true answer; fail when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or condition}")
