"""The daemon's loop, and one pass of it for cron."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from orchestrator.core.errors import Unavailable
from orchestrator.dispatch.worker import Worker
from orchestrator.scheduler.jobs import Job
from orchestrator.store.database import session

logger = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0  # until what became due without anybody saying so is seen
_LOOK_SECONDS, _QUIET_LOOK_SECONDS = 0.04, 0.1  # until a new row is
_QUIET_AFTER_SECONDS = 30.0  # without a task: looking is then most of what is done at all
_CLOCK_STEP_SECONDS = 5.0
_TICK_LIMIT_SECONDS = 3600.0


class Loop:
    """Claims and runs tasks until a signal asks for the end."""

    def __init__(self, worker: Worker, jobs: Sequence[Job], drain_seconds: int) -> None:
        self._worker = worker
        self._jobs = jobs
        self._drain_seconds = drain_seconds
        self._asked = 0  # how often for the end
        self._scheduler: Any = None
        self._last_claim = time.monotonic()

    def run(self) -> bool:
        """Run until SIGTERM or SIGINT, then drain; True when everything that ran could finish."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        logger.info("started", action="start", owner=self._worker.owner)
        self._worker.start()
        self._start_scheduler()
        self._pump()
        logger.info("draining", action="drain", running=self._worker.busy)
        self._scheduler.shutdown(wait=False)
        clean = self._worker.drain(self._drain_seconds, lambda: self._asked > 1)  # asked twice: do not wait any longer
        logger.info("stopped", action="stop", clean=clean)
        return clean

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Count only: the thread that runs this may be amid `Event.wait`, whose lock `Event.set` would wait for without end."""
        del number, frame
        self._asked += 1

    def _start_scheduler(self) -> None:
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults=defaults,
            executors={"default": ThreadPoolExecutor(2), "slow": ThreadPoolExecutor(2)},
        )
        for job in self._jobs:
            executor = "slow" if job.is_slow else "default"
            self._scheduler.add_job(guarded(job), "interval", seconds=job.seconds, id=job.name, executor=executor)
        self._scheduler.start()

    def _pump(self) -> None:
        """Claim on the monotonic clock. A wall clock set back stops APScheduler's jobs, so those are begun anew."""
        drift = time.time() - time.monotonic()
        guarded(self._jobs[0])()  # leases of a predecessor that was killed are taken over at once
        while not self._asked:
            if self._claim():
                self._last_claim = time.monotonic()
            else:
                self._rest()
            step = time.time() - time.monotonic() - drift
            if abs(step) > _CLOCK_STEP_SECONDS:
                logger.warning("the clock was set", action="clock", seconds=round(step))
                drift += step
                self._scheduler.shutdown(wait=False)
                self._start_scheduler()

    def _rest(self) -> None:
        """Sleep until something ended or was inserted; what merely became due is seen at the end of it."""
        until = time.monotonic() + _POLL_SECONDS
        is_quiet = until - self._last_claim > _QUIET_AFTER_SECONDS
        pause = _QUIET_LOOK_SECONDS if is_quiet else _LOOK_SECONDS
        with suppress(Unavailable), session():  # the next claim says so
            while not (self._asked or time.monotonic() > until or self._worker.wait(pause) or self._worker.is_new()):
                continue

    def _claim(self) -> int:
        try:
            begun = self._worker.pass_once()
        except Unavailable as error:
            logger.warning("database unavailable", action="claim", error=str(error))
        except Exception:
            logger.exception("claim failed", action="claim")
        else:
            return begun
        time.sleep(_POLL_SECONDS)
        return 0


def tick(worker: Worker, jobs: Sequence[Job]) -> int:
    """One pass for cron: tidy, claim a batch, finish it; returns how many tasks were carried out."""
    for job in jobs:
        if not job.is_slow:
            guarded(job)()
    worker.start()
    count = worker.pass_once()
    worker.drain(_TICK_LIMIT_SECONDS)
    for job in jobs:
        if job.is_slow:
            guarded(job)()
    return count


def guarded(job: Job) -> Any:
    """Return the job as a callable that logs what goes wrong: one job never stops the others."""

    def call() -> None:
        try:
            job.call()
        except Unavailable as error:
            logger.warning("database unavailable", action=job.name, error=str(error))
        except Exception:
            logger.exception("job failed", action=job.name)

    return call
