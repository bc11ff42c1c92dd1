"""What follows an attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.states import Outcome, TaskStatus
from orchestrator.plan.backoff import UNDER_WAY, Policy, decide, pause

POLICY = Policy(max_attempts=3, max_unreachable=10, minutes=(1, 5, 15), unreachable_seconds=60)


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.CHANGED])
def test_success_is_done(outcome: Outcome) -> None:
    assert decide(outcome, "", 1, 0, POLICY, 0).status is TaskStatus.DONE


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.FENCED])
def test_what_no_retry_can_help_is_terminal_at_once(outcome: Outcome) -> None:
    assert decide(outcome, "", 1, 0, POLICY, 0).status is TaskStatus.ERROR


def test_failures_are_retried_after_growing_minutes_until_the_attempts_are_used_up() -> None:
    first, second, third = (decide(Outcome.FAILED, "", attempt, 0, POLICY, 0) for attempt in (1, 2, 3))
    assert (first.status, first.delay) == (TaskStatus.QUEUED, timedelta(minutes=1))
    assert (second.status, second.delay) == (TaskStatus.QUEUED, timedelta(minutes=5))
    assert third.status is TaskStatus.ERROR


def test_an_unreachable_server_does_not_burn_the_attempts() -> None:
    assert decide(Outcome.UNREACHABLE, "", 9, 9, POLICY, 0).status is TaskStatus.QUEUED
    assert decide(Outcome.UNREACHABLE, "", 10, 10, POLICY, 0).status is TaskStatus.ERROR
    assert decide(Outcome.FAILED, "", 10, 9, POLICY, 0).status is TaskStatus.QUEUED


def test_a_busy_node_is_tried_again_soon() -> None:
    assert decide(Outcome.FAILED, "busy", 1, 0, POLICY, 0).delay < timedelta(seconds=10)


def test_jitter_only_adds_and_the_last_pause_repeats() -> None:
    assert pause(2, POLICY, 0.0) == timedelta(minutes=5)
    assert pause(2, POLICY, 0.99) > timedelta(minutes=5)
    assert pause(99, POLICY, 0.0) == timedelta(minutes=15)


def test_a_request_that_waits_for_another_is_tried_again_however_long_that_takes() -> None:
    verdict = decide(Outcome.FAILED, UNDER_WAY, 10**6, 0, POLICY, 0)
    assert verdict.status is TaskStatus.QUEUED
    assert timedelta() < verdict.delay < timedelta(seconds=10)
