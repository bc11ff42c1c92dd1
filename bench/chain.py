"""The deploy chain: through the orchestrator, the same playbooks one after another by hand, and the floor."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import by_hand, floor
from bench.figures import Figure, median, spread
from bench.memory import peak_while
from bench.site import connected, is_active, order, wait_for
from demo.installation import Installation
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.base import Chain
from orchestrator.store import tasks

_SETTLE_SECONDS = 300.0
_WARMING = 3  # orders until a process that was just started has its template, connections and interpreters
_SOME_KEY = "QUJD" * 98  # as long as a 2048-bit key in base64


@dataclass
class Measured:
    """Seconds and bytes of every round."""

    orchestrator: list[float] = field(default_factory=list)
    one_after_another: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    peak_bytes: int = 0
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

    def run_all(self, chains: Sequence[Chain]) -> None:
        """Remember each step of each."""
        for chain in chains:
            for request in chain.requests:
                chain.tell(self.run(request, chain.cancelled))

    def tally(self) -> dict[str, int]:
        """Nothing is counted."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Deploy services in turn by each way on the same nodes."""
    measured = Measured()
    for again in range(_WARMING):
        _by_orchestrator(site, 990 + again, Measured())
    measured.peak_bytes = _memory(site, 999)
    with floor.connections(site) as commands:
        for number in range(options.rounds):
            _by_orchestrator(site, 1000 + 2 * number, measured)
            measured.floor.append(floor.deploy(site, commands, number))
            site.end()  # by hand is by hand: nobody else uses the processors
            requests = _planned(site, 1001 + 2 * number)
            measured.playbooks = len(requests)
            measured.one_after_another.append(by_hand.run(site, requests))
            site.start()
            for again in range(_WARMING):  # a fresh one, warm again
                _by_orchestrator(site, 5000 + _WARMING * number + again, Measured())
    return _figures(measured)


def _by_orchestrator(site: Installation, service: int, measured: Measured) -> None:
    with connected(site):
        began = time.monotonic()
        tasks.enqueue("service.create", service_id=service, params=order(service))
        wait_for(lambda: is_active(service), _SETTLE_SECONDS, f"service {service} is active; see {site.log}")
        measured.orchestrator.append(time.monotonic() - began)


def _memory(site: Installation, service: int) -> int:
    """Return the most that is in use while a service is deployed; to look slows it down, so this one is not timed."""
    pid = site.pid()
    assert pid is not None
    with peak_while(pid, poll_seconds=0.1) as peak:
        _by_orchestrator(site, service, Measured())
    return peak.bytes


def _planned(site: Installation, service: int) -> list[RunRequest]:
    """Let the planner make the jobs of a new service; no playbook is run."""
    recorder = Recorder()
    with connected(site) as app:
        tasks.enqueue("service.create", service_id=service, params=order(service))
        worker = app.worker(recorder)

        def is_planned() -> bool:
            worker.pass_once()
            worker.wait(0.05)
            return is_active(service)

        wait_for(is_planned, _SETTLE_SECONDS, f"service {service} was planned", pause=0)
        worker.drain(5)
    return recorder.requests


def _figures(measured: Measured) -> list[Figure]:
    ours, theirs, least = (median(one) for one in (measured.orchestrator, measured.one_after_another, measured.floor))
    count = f"{measured.playbooks} playbooks on four nodes, {len(measured.orchestrator)} rounds in turn"
    return [
        Figure(
            name="deploy of a split service, row to active", value=ours, unit="s", note=spread(measured.orchestrator)
        ),
        Figure(
            name="its playbooks by ansible-playbook, one after another",
            value=theirs,
            unit="s",
            note=spread(measured.one_after_another),
        ),
        Figure(name="floor: shell over warm SSH, nodes at once", value=least, unit="s", note=spread(measured.floor)),
        Figure(name="ansible-playbook / orchestrator", value=theirs / ours, unit="×", note=f"wanted: ≥ 8; {count}"),
        Figure(name="orchestrator / floor", value=ours / least, unit="×", note="wanted: ≤ 3"),
        Figure(
            name="orchestrator and all its runs, peak memory",
            value=measured.peak_bytes / 2**20,
            unit="MiB",
            note="proportional set size",
        ),
    ]
