"""Keeps claimed tasks running: a pool of threads, a heartbeat, and a drain that leaves nothing half done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby, takewhile

import structlog

from orchestrator.core.errors import Unavailable
from orchestrator.dispatch import attempt
from orchestrator.dispatch.handlers import Handlers
from orchestrator.dispatch.owner import is_dead, owner_name
from orchestrator.store import chains, fleet, leases, tasks
from orchestrator.store import claim as claims
from orchestrator.store.claim import Claim
from orchestrator.store.database import session

logger = structlog.get_logger(__name__)

_POOL = 64  # threads at most; the batch size bounds what runs
_LATE = 3  # a claim that was not begun within this part of its lease may be another's
_WATCH_SECONDS = 1.0  # how soon a request to stop a running task is seen


class Worker:
    """Claims due tasks and carries them out until it is told to stop."""

    def __init__(self, handlers: Handlers, lease_seconds: int) -> None:
        self.owner = owner_name()
        self._handlers = handlers
        self._lease_seconds = lease_seconds
        self._pool = ThreadPoolExecutor(_POOL, thread_name_prefix="attempt")
        self._lock = threading.Lock()
        self._running: dict[Claim, Future[None]] = {}
        self._stop_now: set[int] = set()  # tasks that were cancelled or whose lease is lost
        self._newest = 0  # the last row that was seen
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to renew the leases of what runs."""
        threading.Thread(target=self._heartbeat_loop, name="heartbeat", daemon=True).start()

    def pass_once(self) -> int:
        """Claim what is due and begin it; returns how many tasks were begun."""
        since = time.monotonic()
        with session():
            batch = int(fleet.knob_value("tasks.batch_size"))
            taken = claims.claim(self.owner, self._lease_seconds, min(batch, _POOL) - self.busy)
        for _, run in groupby(taken, key=lambda one: one.token):
            group = list(run)
            with self._lock:
                self._running |= dict.fromkeys(group, self._pool.submit(self._attempt, group, since))
        return len(taken)

    def is_new(self) -> bool:
        """True when a row was inserted since the last look, within the caller's session.

        So cheap a question that it may be asked many times a second.
        """
        newest = tasks.newest()
        found, self._newest = newest != self._newest, newest
        return found

    def wait(self, seconds: float) -> bool:
        """Sleep until something ended; False when the time was up before."""
        woken = self._wake.wait(seconds)
        if woken:  # else it may be set only now, which the next wait is to see
            self._wake.clear()
        return woken

    @property
    def busy(self) -> int:
        """How many runs are under way: of the tasks of one, one at a time is at work."""
        with self._lock:
            return len({one.token for one in self._running})

    def tally(self) -> Mapping[str, int]:
        """Return how attempts were started since the last call."""
        return self._handlers.executor.tally()

    def rescue(self) -> None:
        """Take over tasks whose orchestrator has died."""
        with session():
            with self._lock:
                held = list(self._running)
            for task_id in leases.rescue(is_dead, held, self._lease_seconds):
                logger.warning("rescued", action="rescue", task=task_id)

    def drain(self, seconds: float, is_hurried: Callable[[], bool] = lambda: False) -> bool:
        """Wait until nothing runs; after ``seconds``, or as soon as it is hurried, end what is left.

        True when everything ended by itself.

        What was ended goes back into the queue, and the attempt does not count. Nothing can be run afterwards.
        """
        deadline = time.monotonic() + seconds
        while self.busy and time.monotonic() < deadline and not is_hurried():
            self.wait(min(0.2, max(deadline - time.monotonic(), 0)))
        clean = self.busy == 0
        with self._lock:
            self._stop_now |= {one.task_id for one in self._running}
        self._pool.shutdown(wait=True)
        self._stopping.set()
        self._handlers.executor.close()
        return clean

    def _attempt(self, group: Sequence[Claim], since: float) -> None:
        numbers = [one.task_id for one in group]
        try:
            ours = [list(chain) for _, chain in groupby(self._ours(group, since), key=lambda one: one.head)]
            attempt.run(ours, self._handlers, lambda number: number in self._stop_now, self._ended)
        except Unavailable as error:
            # The work may be done and only its record is missing: the step is idempotent, and the lease tells the rest.
            logger.warning("result not recorded", action="record", tasks=numbers, error=str(error))
        except Exception:
            logger.exception("attempt crashed", action="crash", tasks=numbers)
        finally:
            for one in group:
                self._ended(one)

    def _ours(self, group: Sequence[Claim], since: float) -> list[Claim]:
        """Return what may be begun of what was claimed after ``since``.

        A process that was stopped amid its claim has leases that have run out before it begins anything: by then others may
        have taken the tasks over. So when much of the lease has gone by, it is asked for anew.
        """
        if time.monotonic() - since < self._lease_seconds / _LATE:
            return list(group)
        with session():
            lost = leases.heartbeat(group, self._lease_seconds)
        if lost:
            logger.warning("claims were lost before they began", action="claim", tasks=sorted(lost))
        kept: list[Claim] = []
        for _, found in groupby(group, key=lambda one: one.head):
            chain = list(found)
            ours = list(takewhile(lambda one: one.task_id not in lost, chain))
            kept += ours
            with session():
                chains.put_back(chain[len(ours) :])  # what of it is ours still
        return kept

    def _ended(self, one: Claim) -> None:
        """Forget a task that has ended or waits again; what waited for it may be due."""
        with self._lock:
            if self._running.pop(one, None) is not None:
                self._stop_now.discard(one.task_id)
        self._wake.set()

    def _heartbeat_loop(self) -> None:
        """Look for requests to stop, and renew the leases six times before they would end."""
        renew, pause = 0.0, min(_WATCH_SECONDS, self._lease_seconds / 6)
        while not self._stopping.wait(pause):
            if not self.busy:
                continue
            is_due = time.monotonic() >= renew
            try:
                with session():
                    self._watch(is_due)
            except Unavailable as error:
                logger.warning("database unavailable", action="heartbeat", error=str(error))
            except Exception:
                logger.exception("heartbeat failed", action="heartbeat")
            else:
                renew = time.monotonic() + self._lease_seconds / 6 if is_due else renew

    def _watch(self, renew: bool) -> None:
        with self._lock:
            held = list(self._running)
        if not held:
            return
        ended = leases.heartbeat(held, self._lease_seconds) if renew else set()
        ended |= leases.cancel_requests(held)
        with self._lock:
            self._stop_now |= ended & {one.task_id for one in self._running}
