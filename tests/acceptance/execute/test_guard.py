"""Ending ansible does not end the step on the node, so the node itself refuses what has been overtaken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.execute.bench import Bench, eventually

LOG = "/run/tenantry-guard-log"
MODULE = """
from __future__ import annotations
import os, time
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step


def main(step):
    write("begin %d" % step.params["fence"]["token"])
    time.sleep(step.params["seconds"])
    write("end %d" % step.params["fence"]["token"])
    step.note("the log")


def write(line):
    with open("/run/tenantry-guard-log", "a") as handle:
        handle.write(line + "\\n")


step = Step({"seconds": {"type": "float", "required": True}})
step.run(main)
"""
TASKS = """
- name: Ensure a slow change
  probe_slow:
    seconds: "{{ job.params.seconds }}"
    fence: "{{ job.fence }}"
  register: done
"""


@pytest.fixture(scope="module")
def slow(bench: Bench) -> str:
    """Return an action that changes the node under the guard and takes as long as the job says."""
    (bench.plays / "library").mkdir(exist_ok=True)
    (bench.plays / "library" / "probe_slow.py").write_text(MODULE)
    return bench.play("guarded", TASKS, results='"{{ [done] }}"', become=True)


@pytest.fixture(autouse=True)
def fresh(bench: Bench) -> Iterator[None]:
    """Begin with an empty log and a guard that has seen nothing."""
    bench.on("rm", "-rf", LOG, "/var/lib/tenantry/guard")
    yield


def attempt(
    bench: Bench, action: str, token: int, *, seconds: float = 0.0, generation: int = 1, **more: Any
) -> RunResult:
    """Run one attempt with a token."""
    fence = {"service": 1001, "generation": generation, "key": "probe", "token": token}
    return bench.run(action, {"params": {"seconds": seconds}, "fence": fence}, **more)


def log(bench: Bench) -> list[str]:
    """Return what ran on the node, in order."""
    return bench.on("cat", LOG, check=False).split("\n")[:-1]


def test_a_lower_token_and_an_older_generation_are_refused(bench: Bench, slow: str) -> None:
    assert attempt(bench, slow, 7).outcome is Outcome.CHANGED
    assert attempt(bench, slow, 7).outcome is Outcome.CHANGED  # the same attempt may come again
    late = attempt(bench, slow, 6)
    assert (late.outcome, late.reason) == (Outcome.FENCED, "fenced")
    assert "attempt 6" in late.message
    assert attempt(bench, slow, 8, generation=2).outcome is Outcome.CHANGED
    assert attempt(bench, slow, 9, generation=1).outcome is Outcome.FENCED
    assert log(bench) == ["begin 7", "end 7"] * 2 + ["begin 8", "end 8"]


def test_a_cancelled_attempt_ends_on_the_node_before_the_next_begins(bench: Bench, slow: str) -> None:
    asked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(attempt, bench, slow, 1, seconds=6.0, cancelled=asked.is_set)
        eventually(lambda: log(bench) == ["begin 1"], 30, "the first attempt works")
        asked.set()
        assert first.result().outcome is Outcome.CANCELLED
    assert log(bench) == ["begin 1"]  # it still works on the node
    assert attempt(bench, slow, 2).outcome is Outcome.CHANGED
    assert log(bench) == ["begin 1", "end 1", "begin 2", "end 2"]


def test_an_attempt_that_is_still_at_work_makes_the_next_one_busy(bench: Bench, slow: str) -> None:
    asked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(attempt, bench, slow, 1, seconds=40.0, cancelled=asked.is_set)
        eventually(lambda: log(bench) == ["begin 1"], 30, "the first attempt works")
        asked.set()
        first.result()
    busy = attempt(bench, slow, 2)
    assert (busy.outcome, busy.reason) == (Outcome.FAILED, "busy")
    assert log(bench) == ["begin 1"]
