"""A daemon asked for its end at the worst moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from orchestrator.engine import Engine
from orchestrator.scheduler import jobs
from orchestrator.scheduler.loop import Loop
from tests.support.executors import RecordingExecutor


class Interrupted(threading.Event):
    """An event whose wait is interrupted by SIGTERM while it holds its lock."""

    def wait(self, timeout: float | None = None) -> bool:
        """Be interrupted."""
        del timeout
        with self._cond:
            signal.raise_signal(signal.SIGTERM)
        return False

    def set(self) -> None:
        """Say so where a real event would wait for ever."""
        assert self._cond.acquire(blocking=False), "the handler waits for a lock that its own thread holds"
        self._cond.release()


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_sigterm_amid_a_wait_ends_the_daemon(app: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = app.worker(RecordingExecutor())
    monkeypatch.setattr(worker, "_wake", Interrupted())
    assert Loop(worker, jobs.standard(worker.rescue, lambda: None), 5).run()
