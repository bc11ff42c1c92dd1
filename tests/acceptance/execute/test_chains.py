"""Steps that follow each other on a server, as one run: each is told when it has ended, and the first that fails is the last."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.execute.bench import Bench, marked, set_when_it_runs
from tests.acceptance.execute.test_together import PLAY, RESULTS, never, runs

Step = tuple[str, dict[str, Any]]
SILENT = """
- name: Say nothing
  ansible.builtin.debug:
    msg: nothing
"""


@pytest.fixture(scope="module")
def actions(bench: Bench) -> list[str]:
    """Return three actions that say which value they were given, and in which run."""
    return [bench.play(f"chained_{name}", PLAY, results=RESULTS) for name in ("first", "second", "third")]


def chain(actions: list[str], *params: dict[str, Any]) -> list[Step]:
    return list(zip(actions, params, strict=True))


def outcomes(results: list[RunResult]) -> list[Outcome]:
    return [one.outcome for one in results]


def test_each_step_gets_its_own_job_and_gives_its_own_answer(bench: Bench, actions: list[str]) -> None:
    (found,) = bench.chains([chain(actions, {"value": 1}, {"value": 2, "changes": True}, {"value": 3})])
    assert outcomes(found) == [Outcome.OK, Outcome.CHANGED, Outcome.OK]
    assert [one.facts["value"] for one in found] == [1, 2, 3]
    assert len(set(runs(found))) == 1
    assert [len(one.events) for one in found] == [3, 3, 3]


def test_the_end_of_a_step_is_told_while_the_next_one_is_at_work(bench: Bench, actions: list[str]) -> None:
    told: list[float] = []
    steps = chain(actions, {"value": 1}, {"value": 2}, {"value": 3, "seconds": 3})
    began = time.monotonic()
    (found,) = bench.chains([steps], tell=lambda _number, _result: told.append(time.monotonic()))
    assert outcomes(found) == [Outcome.OK] * 3
    assert told[2] - told[1] >= 3
    assert sum(one.duration_seconds for one in found) == pytest.approx(told[2] - began, abs=0.5)


def test_after_one_that_fails_nothing_is_done(bench: Bench, actions: list[str]) -> None:
    (found,) = bench.chains([chain(actions, {"value": 1}, {"value": 500}, {"value": 3})])
    assert outcomes(found) == [Outcome.OK, Outcome.FAILED]
    assert found[1].message == "Check the value: 500 is too large"


def test_chains_of_several_share_a_run_and_none_keeps_another_from_its_end(bench: Bench, actions: list[str]) -> None:
    good, bad = ({"value": 1}, {"value": 2}, {"value": 3}), ({"value": 4}, {"value": 500}, {"value": 6})
    found = bench.chains([chain(actions, *good), chain(actions, *bad), chain(actions, *good)])
    assert [outcomes(one) for one in found] == [
        [Outcome.OK] * 3,
        [Outcome.OK, Outcome.FAILED],
        [Outcome.OK] * 3,
    ]
    assert [one.facts["value"] for one in found[0]] == [1, 2, 3]
    assert len(set(runs([result for one in found for result in one]))) == 1


def test_a_step_that_is_cancelled_is_the_last(bench: Bench, actions: list[str]) -> None:
    asked = set_when_it_runs(bench)
    steps = chain(actions, {"value": 1}, {"value": 2, "seconds": 300}, {"value": 3})
    (found,) = bench.chains([steps], [asked.is_set])
    assert found[-1].outcome is Outcome.CANCELLED
    assert outcomes(found[:-1]) == [Outcome.OK] * (len(found) - 1)
    assert marked(bench.run_root) == {}


def test_every_step_has_its_own_time(bench: Bench, actions: list[str]) -> None:
    steps = chain(actions, {"value": 1, "seconds": 8}, {"value": 2, "seconds": 8}, {"value": 3, "seconds": 300})
    (found,) = bench.chains([steps], timeout=15)
    assert outcomes(found) == [Outcome.OK, Outcome.OK, Outcome.TIMEOUT]
    assert "longer than 15 s" in found[2].message


def test_what_one_run_does_not_tell_another_does(bench: Bench, actions: list[str]) -> None:
    slow = ({"value": 1}, {"value": 2, "seconds": 300}, {"value": 3})
    found = bench.chains([chain(actions, {"value": 4}, {"value": 5}, {"value": 6}), chain(actions, *slow)], timeout=20)
    assert outcomes(found[0]) == [Outcome.OK] * 3
    assert outcomes(found[1]) == [Outcome.OK, Outcome.TIMEOUT]


def test_a_step_that_says_nothing_is_lost_and_the_last(bench: Bench, actions: list[str]) -> None:
    silent = bench.play("chained_silent", SILENT, results=None)
    (found,) = bench.chains([[(actions[0], {"value": 1}), (silent, {}), (actions[1], {"value": 2, "seconds": 300})]])
    assert outcomes(found) == [Outcome.OK, Outcome.LOST]
    assert "without a report" in found[1].message


def test_a_server_that_is_not_there_is_told_once(bench: Bench, actions: list[str]) -> None:
    (found,) = bench.chains([chain(actions, {"value": 1}, {"value": 2}, {"value": 3})], host=bench.host(port=1))
    assert outcomes(found) == [Outcome.UNREACHABLE]


def test_a_job_that_no_playbook_can_read_is_refused_when_its_turn_comes(bench: Bench, actions: list[str]) -> None:
    (found,) = bench.chains([chain(actions, {"value": 1}, {"__ansible_vault": "x"}, {"value": 3})])
    assert outcomes(found) == [Outcome.OK, Outcome.INVALID]


def test_whoever_is_told_may_break_the_run(bench: Bench, actions: list[str]) -> None:
    def refuse(_number: int, _result: RunResult) -> None:
        raise LookupError("the database is away")

    with pytest.raises(LookupError):
        bench.chains([chain(actions, {"value": 1}, {"value": 2, "seconds": 300}, {"value": 3})], [never], tell=refuse)
    assert marked(bench.run_root) == {}
