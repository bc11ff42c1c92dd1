"""What follows an attempt: done, another try after a growing pause, or the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from orchestrator.core.states import Outcome, TaskStatus

STOPPED = "stopped"  # the orchestrator ended the attempt because it was told to stop; not the task's fault
UNDER_WAY = "under_way"  # a request that has to wait for another of the same object
UNCOUNTED = frozenset({STOPPED, UNDER_WAY})  # reasons that use up no attempt
_BUSY_SECONDS = 5  # another attempt at the same step is still running on the node: come back soon
_FINAL = frozenset({Outcome.INVALID, Outcome.FENCED})
_JITTER = 0.2  # of the pause, added: tasks that failed together do not come back together


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The knobs that shape retries."""

    max_attempts: int
    max_unreachable: int
    minutes: tuple[int, ...]
    unreachable_seconds: int  # first pause of a task whose server does not answer; doubles up to sixteen times


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a task becomes after an attempt."""

    status: TaskStatus
    delay: timedelta = timedelta()


def decide(outcome: Outcome, reason: str, attempts: int, unreachable: int, policy: Policy, jitter: float) -> Verdict:
    """Return what follows.

    ``attempts`` and ``unreachable`` include this attempt; ``jitter`` is a random number in [0, 1).
    """
    if outcome.is_success:
        return Verdict(status=TaskStatus.DONE)
    if reason == STOPPED:
        return Verdict(status=TaskStatus.QUEUED)
    if reason == UNDER_WAY:
        return Verdict(status=TaskStatus.QUEUED, delay=timedelta(seconds=_BUSY_SECONDS * (1 + jitter)))
    if outcome is Outcome.CANCELLED:
        return Verdict(status=TaskStatus.CANCELLED)
    if outcome in _FINAL or _used_up(outcome, attempts, unreachable, policy):
        return Verdict(status=TaskStatus.ERROR)
    if reason == "busy":
        return Verdict(status=TaskStatus.QUEUED, delay=timedelta(seconds=_BUSY_SECONDS * (1 + jitter)))
    if outcome is Outcome.UNREACHABLE:
        return Verdict(status=TaskStatus.QUEUED, delay=unreachable_pause(unreachable, policy, jitter))
    return Verdict(status=TaskStatus.QUEUED, delay=pause(attempts - unreachable, policy, jitter))


def _used_up(outcome: Outcome, attempts: int, unreachable: int, policy: Policy) -> bool:
    if outcome is Outcome.UNREACHABLE:
        return unreachable >= policy.max_unreachable
    return attempts - unreachable >= policy.max_attempts


def pause(number: int, policy: Policy, jitter: float) -> timedelta:
    """Return the pause after failure ``number`` (from 1): the listed minutes, the last repeating, plus jitter."""
    minutes = policy.minutes[min(max(number, 1), len(policy.minutes)) - 1]
    return timedelta(minutes=minutes) * (1 + _JITTER * jitter)


def unreachable_pause(number: int, policy: Policy, jitter: float) -> timedelta:
    """Return the pause after the ``number``th attempt that did not reach the server.

    Short at first: the server's circuit protects it, and its tasks are woken together when it answers again.
    """
    return timedelta(seconds=policy.unreachable_seconds * min(2 ** (number - 1), 16)) * (1 + _JITTER * jitter)
