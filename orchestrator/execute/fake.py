"""Executors that run no playbook: for tests and for measuring the queue alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.base import Cancelled, Chain

_POLL_SECONDS = 0.01
Script = Callable[[RunRequest], RunResult | None]  # None: the default answer


@dataclass
class History:
    """What an executor was asked, and how much of it at once."""

    requests: list[RunRequest] = field(default_factory=list)
    runs: list[Sequence[RunRequest]] = field(default_factory=list)  # the same, as they share a run
    overlaps: list[str] = field(default_factory=list)  # steps of a service that ran twice at the same time
    most: int = 0  # attempts at once
    most_on: Counter[str] = field(default_factory=Counter)  # the same for each server


class NoopExecutor:
    """Takes ``seconds`` and reports that nothing had to change."""

    outcome = RunResult(outcome=Outcome.OK)

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.history = History()
        self._running: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()
        self._lock = threading.Lock()

    def tally(self) -> Mapping[str, int]:
        """Nothing is counted."""
        return {}

    def run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        """Pretend to run the playbook; asks ``cancelled`` while it waits."""
        began = time.monotonic()
        step = step_of(request)
        self._enter(request, step)
        try:
            stopped = self._wait(cancelled)
            result = RunResult(outcome=Outcome.CANCELLED, reason="cancelled") if stopped else self.answer(request)
        finally:
            with self._lock:
                self._running[request.host.name] -= 1
                self._steps[step] -= 1
        return replace(result, duration_seconds=time.monotonic() - began)

    def run_all(self, chains: Sequence[Chain]) -> None:
        """Pretend to run them: each step for all chains, one after another as in a real run, then the next step."""
        with self._lock:
            self.history.runs.append([request for chain in chains for request in chain.requests])
        going = list(chains)
        for number in range(max(len(chain.requests) for chain in chains)):
            going = [chain for chain in going if self._succeeds(chain, number)]

    def _succeeds(self, chain: Chain, number: int) -> bool:
        result = self.run(chain.requests[number], chain.cancelled)
        chain.tell(result)
        return result.outcome.is_success

    def answer(self, request: RunRequest) -> RunResult:  # noqa: ARG002 - for those that depend on it
        """Return how the attempt ends."""
        return self.outcome

    def close(self) -> None:
        """Nothing is held."""

    def _enter(self, request: RunRequest, step: str) -> None:
        with self._lock:
            self._running[request.host.name] += 1
            self._steps[step] += 1
            history, name = self.history, request.host.name
            history.requests.append(request)
            history.most = max(history.most, self._running.total())
            history.most_on[name] = max(history.most_on[name], self._running[name])
            if self._steps[step] > 1:
                history.overlaps.append(step)

    def _wait(self, cancelled: Cancelled) -> bool:
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            if cancelled():
                return True
            time.sleep(min(_POLL_SECONDS, left))
        return False


class ScriptedExecutor(NoopExecutor):
    """Answers as it is told: by a function, or by lists of results for each action that are used up one by one."""

    outcome = RunResult(outcome=Outcome.CHANGED)

    def __init__(
        self,
        script: Script | Mapping[str, Iterable[RunResult | Outcome]] | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(seconds)
        self.script: Script | None = script if callable(script) else None
        queues = script if isinstance(script, Mapping) else {}
        self._queues = {action: list(results) for action, results in queues.items()}

    def answer(self, request: RunRequest) -> RunResult:
        """Return the scripted result, or CHANGED when the script has none for this attempt."""
        found: RunResult | Outcome | None = None
        if self.script:
            found = self.script(request)
        else:
            with self._lock:
                queue = self._queues.get(request.action)
                found = queue.pop(0) if queue else None
        if isinstance(found, Outcome):
            return RunResult(outcome=found, reason=str(found))
        return found or self.outcome


def step_of(request: RunRequest) -> str:
    """Return what must not run twice at once: the service and the step, or the server and the action; a look may."""
    fence = request.job.get("fence")
    step = f"{fence['service']} {fence['key']}" if fence else f"{request.host.name} {request.action}"
    return f"{step} in check mode {id(request)}" if request.check else step  # keeps nobody out
