"""Several jobs in one run: each ends as if it had been alone."""

from __future__ import annotations

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.settings import WARM
from tests.acceptance.execute.bench import Bench, set_when_it_runs

PLAY = """
- name: Check the value
  ansible.builtin.assert:
    that: job.params.value | default(0) | int < 100
    fail_msg: "{{ job.params.value | default(0) }} is too large"
- name: Check for a while
  ansible.builtin.command:
    argv: [sleep, "{{ job.params.seconds | default(0) }}"]
  changed_when: job.params.changes | default(false)
"""
RUN = "lookup('ansible.builtin.env', 'TENANTRY_ATTEMPT')"
RESULTS = f"\"{{{{ [{{'facts': {{'value': job.params.value, 'run': {RUN}}}}}] }}}}\""


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def action(bench: Bench) -> str:
    """Return an action that says which value it was given, and in which run."""
    return bench.play("together", PLAY, results=RESULTS)


def runs(results: list[RunResult]) -> list[str]:
    return [one.facts["run"] for one in results if one.facts]


def test_each_gets_its_own_job_and_gives_its_own_answer(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1}, {"value": 2, "changes": True}, {"value": 3}])
    assert [one.outcome for one in found] == [Outcome.OK, Outcome.CHANGED, Outcome.OK]
    assert [one.facts["value"] for one in found] == [1, 2, 3]
    assert len(set(runs(found))) == 1
    assert [len(one.events) for one in found] == [3, 3, 3]


def test_one_that_fails_keeps_no_other_from_its_end(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1}, {"value": 500}, {"value": 3}])
    assert [one.outcome for one in found] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert found[1].message == "Check the value: 500 is too large"
    assert len(set(runs(found))) == 1


def test_a_secret_of_one_is_hidden_in_what_is_said_of_another(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1, "password": "correct-horse"}, {"value": "correct-horse"}])
    assert found[1].facts["value"] == "(hidden)"


def test_one_that_is_cancelled_is_ended_and_the_others_are_done(bench: Bench, action: str) -> None:
    asked = set_when_it_runs(bench)
    jobs = [{"value": 1}, {"value": 2, "seconds": 300}, {"value": 3}]
    found = bench.run_all(action, jobs, [never, asked.is_set, never])
    assert [one.outcome for one in found] == [Outcome.OK, Outcome.CANCELLED, Outcome.OK]
    assert len(set(runs(found))) == 2  # each by itself


def test_one_that_takes_too_long_takes_its_own_time(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1}, {"value": 2, "seconds": 300}], timeout=25)
    assert [one.outcome for one in found] == [Outcome.OK, Outcome.TIMEOUT]


def test_a_server_that_is_not_there_is_there_for_none(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1}, {"value": 2}], host=bench.host(port=1))
    assert {one.outcome for one in found} == {Outcome.UNREACHABLE}
    reasons = {one.reason for one in found[: None if bench.mode == WARM else 1]}
    assert reasons == {"tcp"}  # where each asks again the second may meet what the first one's ssh leaves behind
    assert all(bench.host().name in one.message and "~" not in one.message for one in found)


def test_a_job_that_no_playbook_can_read_is_refused_alone(bench: Bench, action: str) -> None:
    found = bench.run_all(action, [{"value": 1}, {"__ansible_vault": "x"}])
    assert [one.outcome for one in found] == [Outcome.OK, Outcome.INVALID]
