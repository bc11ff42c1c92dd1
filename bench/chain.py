"""The deploy chain on the lab: through the orchestrator, and the same playbooks one after another by hand."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.memory import peak_while
from demo.installation import GROUP, PACKAGE, PROJECT, Installation, Node
from lab import config, nodes
from orchestrator.app import App
from orchestrator.config.settings import from_environment
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.store import services, tasks
from orchestrator.store.database import session

NODES = tuple(Node(name=name) for name in ("web1", "mail1", "dns1", "dns2"))
_SETTLE_SECONDS = 60.0
_SOME_KEY = "QUJD" * 98  # as long as a 2048-bit key in base64


@dataclass
class Measured:
    """Seconds and bytes of every round."""

    orchestrator: list[float] = field(default_factory=list)
    one_after_another: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    playbooks: int = 0


class Recorder:
    """An executor that runs nothing and keeps what it was asked, so that the same can be run by hand."""

    def __init__(self) -> None:
        self.requests: list[RunRequest] = []

    def run(self, request: RunRequest, cancelled: Any) -> RunResult:
        """Remember the request and report success."""
        del cancelled
        self.requests.append(request)
        params = request.job["params"]
        wanted = request.action == "mail.dkim_present"
        key = {"domain": params.get("domain"), "selector": params.get("selector"), "public_key": _SOME_KEY}
        return RunResult(outcome=Outcome.CHANGED, facts={"dkim": key} if wanted else {})

    def tally(self) -> dict[str, int]:
        """Nothing is counted."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def run(options: argparse.Namespace) -> list[Figure]:
    """Deploy services in turn by both ways on the same nodes; boots the nodes it needs."""
    lab = config.load()
    nodes.up(lab, [node.name for node in NODES])
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        site = Installation(Path(folder), lab)
        site.set_up(NODES)
        measured = Measured()
        site.start()
        site.prepare(node.name for node in NODES)
        for number in range(options.rounds):
            _by_orchestrator(site, 1000 + 2 * number, measured)
            site.end()  # by hand is by hand: nobody else uses the processors
            _by_hand(site, 1001 + 2 * number, measured)
            site.start()
        site.end()
    return _figures(measured)


def _by_orchestrator(site: Installation, service: int, measured: Measured) -> None:
    pid = site.pid()
    assert pid is not None
    with _connected(site), peak_while(pid) as peak:
        began = time.monotonic()
        tasks.enqueue("service.create", service_id=service, params=_order(service))
        while not _active(service):
            if time.monotonic() - began > _SETTLE_SECONDS * 3:
                raise TimeoutError(f"service {service} is not active; see {site.log}")
            time.sleep(0.02)
        measured.orchestrator.append(time.monotonic() - began)
    measured.peak_bytes.append(peak.bytes)


def _by_hand(site: Installation, service: int, measured: Measured) -> None:
    requests = _planned(site, service)
    measured.playbooks = len(requests)
    inventory = site.folder / "by-hand.yml"
    inventory.write_text(json.dumps(_inventory(site, requests)))
    environment = {**site.environment, "ANSIBLE_HOME": str(site.folder / "ansible"), "HOME": str(site.folder)}
    files = [site.folder / f"job-{number}.json" for number in range(len(requests))]
    for file, request in zip(files, requests, strict=True):
        file.write_text(json.dumps(dict(request.job)))
    began = time.monotonic()
    for file, request in zip(files, requests, strict=True):
        command = [
            *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)),
            *(f"playbooks/{request.action.replace('.', '/')}.yml", "--limit", request.host.name),
            *("-e", f"job_file={file}"),
        ]
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{request.action}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    measured.one_after_another.append(time.monotonic() - began)


def _planned(site: Installation, service: int) -> list[RunRequest]:
    """Let the planner make the jobs of a new service; no playbook is run."""
    recorder = Recorder()
    with _connected(site) as app:
        tasks.enqueue("service.create", service_id=service, params=_order(service))
        worker = app.worker(recorder)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not _active(service):
            worker.pass_once()
            worker.wait(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"service {service} was not planned")
        worker.drain(5)
    return recorder.requests


@contextmanager
def _connected(site: Installation) -> Iterator[App]:
    app = App(from_environment({**os.environ, **site.environment}))
    with session():
        yield app


def _order(service: int) -> dict[str, Any]:
    return {"domain": f"bench{service}.test", "package": PACKAGE, "group": GROUP}


def _active(service: int) -> bool:
    return any(row.id == service and row.status == "active" for row in services.listing(limit=10))


def _inventory(site: Installation, requests: list[RunRequest]) -> dict[str, Any]:
    options = f"-o UserKnownHostsFile={site.lab.known_hosts} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    groups: dict[str, Any] = {}
    for host in {request.host.name: request.host for request in requests}.values():
        variables = {
            "ansible_host": host.address,
            "ansible_user": host.login,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(site.lab.key),
            "ansible_ssh_common_args": options,
        }
        for role in host.roles:
            groups.setdefault(role, {"hosts": {}})["hosts"][host.name] = variables
    return groups


def _figures(measured: Measured) -> list[Figure]:
    ours, theirs = statistics.median(measured.orchestrator), statistics.median(measured.one_after_another)
    count = f"{measured.playbooks} playbooks on four nodes, {len(measured.orchestrator)} rounds in turn"
    return [
        Figure(name="deploy chain, row to active", value=ours, unit="s", note=_spread(measured.orchestrator)),
        Figure(
            name="the same playbooks by ansible-playbook, one after another",
            value=theirs,
            unit="s",
            note=_spread(measured.one_after_another),
        ),
        Figure(name="ratio", value=theirs / ours, unit="×", note=count),
        Figure(
            name="orchestrator and all its runs, peak memory",
            value=max(measured.peak_bytes) / 2**20,
            unit="MiB",
            note="proportional set size",
        ),
    ]


def _spread(values: list[float]) -> str:
    return f"median of {', '.join(f'{value:.1f}' for value in values)}"
