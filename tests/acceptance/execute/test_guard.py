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
GO = "/run/tenantry-guard-go"  # ends the steps that work
RUNNING = "/var/lib/tenantry/guard/1001.json.run"
MODULE = """
from __future__ import annotations
import os, time
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step


def main(step):
    write("begin %d" % step.params["fence"]["token"])
    until = time.monotonic() + step.params["seconds"]
    while time.monotonic() < until and not os.path.exists("/run/tenantry-guard-go"):
        time.sleep(0.02)
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
    bench.on("rm", "-rf", LOG, GO, "/var/lib/tenantry/guard")
    yield
    bench.on("touch", GO)  # steps whose attempt was cancelled still work; the next test shall not see them
    eventually(lambda: not steps_under_the_guard(bench), 30, "every step has ended")


def attempt(
    bench: Bench,
    action: str,
    token: int,
    *,
    seconds: float = 0.0,
    generation: int = 1,
    key: str = "probe",
    service: int = 1001,
    **more: Any,
) -> RunResult:
    """Run one attempt with a token."""
    fence = {"service": service, "generation": generation, "key": key, "token": token}
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


def steps_under_the_guard(bench: Bench) -> list[str]:
    """Return the processes that work under the service's guard or wait for it."""
    script = f'for fd in /proc/[0-9]*/fd/*; do [ "$(readlink "$fd")" != {RUNNING} ] || echo "$fd"; done'
    return [line.split("/")[2] for line in bench.on("sh", "-c", script).split()]


def test_a_newer_generation_waits_for_a_step_that_runs_and_then_overtakes_the_others(bench: Bench, slow: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        deploy = pool.submit(attempt, bench, slow, 1, seconds=300.0)
        eventually(lambda: log(bench) == ["begin 1"], 30, "the deploy works")
        [step] = steps_under_the_guard(bench)
        bench.on("kill", "-STOP", step)
        suspend = pool.submit(attempt, bench, slow, 2, generation=2, key="suspend")
        eventually(lambda: len(steps_under_the_guard(bench)) == 2, 60, "the suspend waits")
        other = attempt(bench, slow, 3, key="suspend", service=2002, generation=9)
        assert other.outcome is Outcome.CHANGED  # another service is not concerned
        assert log(bench) == ["begin 1", "begin 3", "end 3"] and not suspend.done()
        bench.on("kill", "-KILL", step)
        assert deploy.result().outcome is not Outcome.CHANGED
        assert suspend.result().outcome is Outcome.CHANGED
    late = attempt(bench, slow, 4, key="php")
    assert (late.outcome, late.reason) == (Outcome.FENCED, "fenced")
    assert log(bench) == ["begin 1", "begin 3", "end 3", "begin 2", "end 2"]


def test_steps_of_one_generation_run_side_by_side_on_a_node(bench: Bench, slow: str) -> None:
    keys = ("user", "domain", "php")
    with ThreadPoolExecutor(len(keys)) as pool:
        runs = [pool.submit(attempt, bench, slow, 1 + n, seconds=50.0, key=key) for n, key in enumerate(keys)]
        eventually(lambda: len(log(bench)) == len(keys), 40, "all of them work")
        bench.on("touch", GO)
        assert [run.result().outcome for run in runs] == [Outcome.CHANGED] * len(keys)
    assert [line.split()[0] for line in log(bench)] == ["begin"] * 3 + ["end"] * 3
