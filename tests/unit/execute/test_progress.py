"""What a run says of several steps becomes a result of each, as soon as the next begins."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.base import Chain
from orchestrator.execute.progress import Progress
from orchestrator.execute.supervise import Cause, Ended
from tests.unit.execute.test_classify import CLEAN, DARK, FAILURES, HOST, REPORT, end, report, task

PLAY = {"kind": "play"}
SECOND = {"host": "web1~2"}
BOTH = {**CLEAN, "ok": {"web1": 2, "web1~2": 2}, "processed": {"web1": 1, "web1~2": 1}}


class Told:
    """Chains of as many steps, what was told of each, and how their run goes."""

    def __init__(self, steps: int, chains: int = 1) -> None:
        self.results: list[list[RunResult]] = [[] for _ in range(chains)]
        self.stop = False
        request = RunRequest(action="probe.step", host=HOST, job={}, timeout_seconds=60)
        wanted = [Chain([request] * steps, lambda: self.stop, results.append) for results in self.results]
        self.progress = Progress(wanted, HOST)
        self._lines: list[dict[str, Any]] = []

    def see(self, *lines: dict[str, Any]) -> None:
        for line in lines:
            self._lines.append(line)
            self.progress.see(line)

    def finish(self, cause: Cause = Cause.EXIT) -> None:
        self.progress.finish(Ended(cause, self._lines))

    def outcomes(self, number: int = 0) -> list[Outcome]:
        return [one.outcome for one in self.results[number]]

    def left(self) -> list[int]:
        return [len(one.requests) for one in self.progress.left()]


def test_a_step_is_told_when_the_next_begins_and_the_last_at_the_end() -> None:
    told = Told(3)
    told.see(PLAY, task(), report({**REPORT, "facts": {"n": 1}}))
    assert told.outcomes() == []
    told.see(PLAY)
    assert told.outcomes() == [Outcome.OK]
    told.see(task(changed=True), report({**REPORT, "facts": {"n": 2}}), PLAY, task(), report(), CLEAN, end())
    told.finish()
    assert told.outcomes() == [Outcome.OK, Outcome.CHANGED, Outcome.OK]
    assert [one.facts for one in told.results[0]] == [{"n": 1}, {"n": 2}, {}]
    assert [len(one.events) for one in told.results[0]] == [2, 2, 2]
    assert told.left() == []


def test_one_step_alone_is_told_at_the_end() -> None:
    told = Told(1)
    told.see(PLAY, task(), report(), CLEAN, end())
    assert told.outcomes() == []
    told.finish()
    assert told.outcomes() == [Outcome.OK]


@pytest.mark.parametrize(
    ("line", "statistics", "code", "outcome"),
    [
        (task("failed", message="it does not work"), FAILURES, 2, Outcome.FAILED),
        (task("unreachable", message="Connection refused"), DARK, 4, Outcome.UNREACHABLE),
    ],
)
def test_what_fails_is_the_last(line: dict[str, Any], statistics: dict[str, Any], code: int, outcome: Outcome) -> None:
    told = Told(3)
    told.see(PLAY, report(), PLAY, line, statistics, end(code))
    told.finish()
    assert told.outcomes() == [Outcome.OK, outcome]
    assert told.left() == []


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [(Cause.CANCELLED, Outcome.CANCELLED), (Cause.TIMEOUT, Outcome.TIMEOUT), (Cause.FLOOD, Outcome.FAILED)],
)
def test_who_stops_a_run_stops_the_step_that_is_at_work(cause: Cause, outcome: Outcome) -> None:
    told = Told(3)
    told.see(PLAY, report(), PLAY, {"kind": "start", "task": "Ensure the second"})
    told.finish(cause)
    assert told.outcomes() == [Outcome.OK, outcome]
    assert "during “Ensure the second”" in told.results[0][1].message


def test_what_was_rescued_is_no_failure() -> None:
    told = Told(2)
    told.see(PLAY, task("failed", message="no such file"), task(), report(), PLAY)
    assert told.outcomes() == [Outcome.OK]


def test_a_play_that_reports_nothing_ends_the_run() -> None:
    told = Told(3)
    told.see(PLAY, report(), PLAY, task(), PLAY)
    assert told.outcomes() == [Outcome.OK, Outcome.LOST]
    assert "without a report" in told.results[0][1].message
    assert told.progress.is_cancelled()
    told.finish(Cause.CANCELLED)
    assert len(told.results[0]) == 2


def test_a_report_that_cannot_be_used_ends_the_run_for_ansible_goes_on() -> None:
    told = Told(2, chains=2)
    told.see(PLAY, report("nonsense"), report(**SECOND), PLAY)
    assert told.outcomes(0) == [Outcome.FAILED]
    assert told.outcomes(1) == [Outcome.OK]
    assert told.progress.is_cancelled()
    told.finish(Cause.CANCELLED)
    assert told.left() == [1]


def test_chains_of_several_end_each_for_itself() -> None:
    told = Told(2, chains=2)
    told.see(PLAY, report(), task("failed", message="it does not work", **SECOND), PLAY)
    assert (told.outcomes(0), told.outcomes(1)) == ([Outcome.OK], [Outcome.FAILED])
    assert not told.progress.is_cancelled()
    told.see(task(), report(), {**BOTH, "failures": {"web1~2": 1}}, end(2))
    told.finish()
    assert (told.outcomes(0), told.outcomes(1)) == ([Outcome.OK] * 2, [Outcome.FAILED])
    assert told.left() == []


def test_of_several_a_run_that_was_stopped_leaves_what_it_has_not_told() -> None:
    told = Told(3, chains=2)
    told.see(PLAY, report(), report(**SECOND), PLAY, report())
    told.stop = True
    assert told.progress.is_cancelled()
    told.finish(Cause.CANCELLED)
    assert (told.outcomes(0), told.outcomes(1)) == ([Outcome.OK], [Outcome.OK])
    assert told.left() == [2, 2]


def test_a_play_that_does_not_tell_of_one_of_several_leaves_that_one() -> None:
    told = Told(2, chains=2)
    told.see(PLAY, report(), task(**SECOND), PLAY)
    assert told.progress.is_cancelled()
    told.finish(Cause.CANCELLED)
    assert (told.outcomes(0), told.outcomes(1)) == ([Outcome.OK], [])
    assert told.left() == [1, 2]


def test_a_run_that_ended_without_a_word_leaves_the_rest_of_its_chain() -> None:
    told = Told(3)
    told.see(PLAY, report(), PLAY, task())
    assert told.left() == [2]
    assert told.progress.told == 1
