"""An executor that runs nothing and remembers what it was asked, to test the queue alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome

PUBLIC_KEY = "QUJD" * 98  # as long as a 2048-bit key in base64


class RecordingExecutor:
    """Succeeds after ``seconds``; ``script`` may answer otherwise for a request."""

    def __init__(self, seconds: float = 0.0, script: Callable[[RunRequest], RunResult | None] | None = None) -> None:
        self.seconds = seconds
        self.script = script
        self.requests: list[RunRequest] = []
        self.overlaps: list[str] = []  # steps that ran twice at the same time
        self.most_on: Counter[str] = Counter()  # highest number at once, by server
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        """Pretend to run a playbook."""
        step = (
            f"{request.job['service']['id']} {request.job['fence']['key']}"
            if "fence" in request.job
            else request.action
        )
        with self._lock:
            self.requests.append(request)
            self._now.update([step, request.host.name])
            if self._now[step] > 1:
                self.overlaps.append(step)
            self.most_on[request.host.name] = max(self.most_on[request.host.name], self._now[request.host.name])
        stopped = self._work(cancelled)
        with self._lock:
            self._now.subtract([step, request.host.name])
        scripted = self.script(request) if self.script else None
        if stopped:
            return RunResult(outcome=Outcome.CANCELLED)
        return scripted or RunResult(outcome=Outcome.CHANGED, facts=self._facts(request))

    def _work(self, cancelled: Callable[[], bool]) -> bool:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            if cancelled():
                return True
            time.sleep(min(0.01, self.seconds))
        return False

    @staticmethod
    def _facts(request: RunRequest) -> dict[str, object]:
        if request.action != "mail.dkim_present":
            return {}
        params = request.job["params"]
        return {"dkim": {"domain": params["domain"], "selector": params["selector"], "public_key": PUBLIC_KEY}}

    def close(self) -> None:
        """Nothing is held."""
