"""The Python that waits on a server: what it runs comes out as without it, and whatever happens to it costs only time."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.settings import PLAIN, WARM
from tests.acceptance.execute.bench import Bench, eventually, marked, named

GO = "/run/tenantry-probe-go"  # ends the steps that work
PROGRAM = "sys.stdin.buffer.read"  # in the command line of a waiting interpreter
MODULE = """
from __future__ import annotations
import os, sys, time
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step


def main(step):
    until = time.monotonic() + step.params["seconds"]
    while time.monotonic() < until and not os.path.exists("/run/tenantry-probe-go"):
        time.sleep(0.02)
    if step.params["say"] == "die":
        os.kill(os.getpid(), 9)
    if step.params["say"] == "raise":
        raise ValueError("an error nobody expected")
    with open("/proc/%d/cmdline" % os.getppid()) as handle:
        is_interpreter = "sys.stdin.buffer.read" in handle.read()
    step.facts = {"said": step.params["say"], "waiting": is_interpreter, "uid": os.getuid(), "seen": len(SEEN)}
    SEEN.append(1)
    step.note("the log")


SEEN = []
if __name__ == "__main__":
    Step({"seconds": {"type": "float", "default": 0.0}, "say": {"type": "str", "required": True}}).run(main)
"""
TASKS = """
- name: Ensure a change
  tenantry.hosting.probe_change:
    say: "{{ job.params.say }}"
    seconds: "{{ job.params.seconds | default(0.0) }}"
    fence: "{{ job.fence | default(omit) }}"
  register: done
"""


class Site(Bench):
    """A bench whose collection has one more module, the only kind that an interpreter takes."""

    def say(self, word: str, *, timeout: int = 60, **more: Any) -> RunResult:
        """Run the module."""
        job = {"params": {"say": word, **more}}
        return self.run("probe.change", job, timeout=timeout)

    @property
    def counts(self) -> Counter[str]:
        """How often an interpreter was lent, missing and lost."""
        connections = self.executor().connections
        return Counter(connections.counts) if connections else Counter()

    def interpreters(self) -> list[int]:
        """Return the waiting interpreters on the node."""
        return [int(number) for number in self.on("pgrep", "-f", f"^/usr/bin/python3.*{PROGRAM}", check=False).split()]

    def is_waiting(self) -> bool:
        """Run the module until an interpreter does it."""
        return eventually(lambda: self.say("warm up").facts["waiting"], 30, "an interpreter does it")


@pytest.fixture(scope="module")
def site(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a project of its own, on the node and in the mode of the bench."""
    found = Site(tmp_path_factory.mktemp("interpreter"), bench.lab, bench.mode)
    (found.project / "collections").unlink()
    shutil.copytree(PROJECT_ROOT / "collections", found.project / "collections")
    modules = found.project / "collections/ansible_collections/tenantry/hosting/plugins/modules"
    (modules / "probe_change.py").write_text(MODULE)
    found.play("change", TASKS, results='"{{ [done] }}"', become=True)
    yield found
    found.close()
    eventually(lambda: not found.interpreters(), 10, "the interpreters have ended")
    assert marked(found.run_root, "c-") == {}


@pytest.fixture
def warm(site: Site) -> Site:
    """Return the project where an interpreter is ready; tests with it are left out of the plain mode."""
    assert site.is_waiting()
    return site


def test_what_it_runs_comes_out_as_without(site: Site) -> None:
    results = [site.say(f"word {number}") for number in range(4)]
    assert [(one.outcome, one.message) for one in results] == [(Outcome.CHANGED, "")] * 4
    assert [one.facts["said"] for one in results] == [f"word {number}" for number in range(4)]
    assert {(one.facts["uid"], one.facts["seen"]) for one in results} == {(0, 0)}, "nothing of one is in the next"
    tasks = [[(event.task, event.status) for event in one.events] for one in results]
    assert tasks == [tasks[0]] * 4
    assert [one.facts["waiting"] for one in results] == (
        [False] * 4 if site.mode == PLAIN else sorted(one.facts["waiting"] for one in results)
    )


def test_failures_are_those_of_a_module(site: Site) -> None:
    if site.mode == WARM:
        assert site.is_waiting()
    for word, said in (("raise", "an error nobody expected"), ("die", "Module result deserialization failed")):
        result = site.say(word)
        assert result.outcome is Outcome.FAILED
        assert said in result.message or "Task failed" in result.message, result.message
    assert site.say("again").outcome is Outcome.CHANGED


def test_text_that_looks_like_a_template_or_is_not_ascii_arrives_as_it_is(site: Site) -> None:
    for word in ("{{ 1 + 1 }}", "grüße ☃ \u2028 \\n '\"", "x" * 10_000):
        result = site.say(word)
        assert (result.outcome, result.facts["said"]) == (Outcome.CHANGED, word)


def test_the_guard_holds_there_too(warm: Site) -> None:
    warm.on("rm", "-rf", "/var/lib/tenantry/guard")
    fences = [{"service": 1001, "generation": 1, "key": "probe", "token": token} for token in (5, 4)]
    results = [warm.run("probe.change", {"params": {"say": "x"}, "fence": fence}) for fence in fences]
    assert [one.outcome for one in results] == [Outcome.CHANGED, Outcome.FENCED]
    assert results[0].facts["waiting"]


def test_one_that_was_killed_between_two_steps_is_replaced(warm: Site) -> None:
    lost = warm.counts["interpreter_lost"]
    for number in warm.interpreters():
        warm.on("kill", "-9", str(number))
    assert warm.say("after").outcome is Outcome.CHANGED
    eventually(lambda: warm.say("later").outcome is Outcome.CHANGED and warm.counts["interpreter_lost"] > lost, 20)
    assert warm.is_waiting()


def test_one_that_dies_under_a_step_is_followed_by_the_ordinary_way(warm: Site) -> None:
    def kill() -> None:
        eventually(lambda: working(warm), 20, "the step runs")
        warm.on("sh", "-c", f"kill -9 $(pgrep -f '^/usr/bin/python3.*{PROGRAM}'); touch {GO}")

    thread = threading.Thread(target=kill)
    thread.start()
    result = warm.say("anyway", seconds=30)
    thread.join()
    warm.on("rm", "-f", GO)
    assert (result.outcome, result.facts["waiting"]) == (Outcome.CHANGED, False)
    assert warm.is_waiting()


def working(site: Site) -> bool:
    """True when a fork of an interpreter works: there is one more process of that command line than interpreters."""
    parents = site.on("sh", "-c", f"for n in $(pgrep -f '^/usr/bin/python3.*{PROGRAM}'); do ps -o ppid= $n; done")
    return bool({int(number) for number in parents.split()} & set(site.interpreters()))


def test_one_that_hangs_ends_with_the_deadline_and_is_not_used_again(warm: Site) -> None:
    stopped = warm.interpreters()
    warm.on("kill", "-STOP", *map(str, stopped))
    result = warm.say("nobody hears", timeout=6)
    assert (result.outcome, result.reason) == (Outcome.TIMEOUT, "timeout")
    warm.on("sh", "-c", f"kill -CONT {' '.join(map(str, stopped))} || true")
    assert warm.say("next").outcome is Outcome.CHANGED
    eventually(lambda: not set(stopped) & set(warm.interpreters()), 15, "it has ended")


def test_a_cancelled_step_comes_to_its_end_on_the_server_and_the_interpreter_goes(warm: Site) -> None:
    asked = threading.Event()

    def cancel() -> None:
        eventually(lambda: working(warm), 20, "the step runs")
        asked.set()

    before, thread = warm.interpreters(), threading.Thread(target=cancel)
    thread.start()
    job = {"params": {"say": "long", "seconds": 60}}
    result = warm.run("probe.change", job, timeout=90, cancelled=asked.is_set)
    thread.join()
    assert result.outcome is Outcome.CANCELLED
    assert set(before) & set(warm.interpreters()), "half a change is worse than a whole one"
    warm.on("touch", GO)
    eventually(lambda: not set(before) & set(warm.interpreters()), 15, "it has ended")
    warm.on("rm", "-f", GO)


def test_other_packages_on_the_server_are_another_python(warm: Site) -> None:
    before = warm.interpreters()
    warm.on("touch", "/usr/lib/python3/dist-packages")
    result = warm.say("after an upgrade")
    assert (result.outcome, result.facts["waiting"]) == (Outcome.CHANGED, False)
    assert warm.is_waiting()
    assert not set(before) & set(warm.interpreters())


def test_a_module_that_has_changed_is_not_taken_from_memory(warm: Site) -> None:
    path = warm.project / "collections/ansible_collections/tenantry/hosting/plugins/modules/probe_change.py"
    path.write_text(MODULE.replace('"said": step.params["say"]', '"said": "another module"'))
    try:
        assert warm.say("word").facts["said"] == "another module"
        assert warm.is_waiting()
        assert warm.say("word").facts["said"] == "another module"
    finally:
        path.write_text(MODULE)


def test_secrets_are_in_no_command_line_and_no_environment_there(warm: Site) -> None:
    word = "hunter2-never-to-be-seen"
    seen: list[str] = []

    def look() -> None:
        eventually(lambda: working(warm), 20, "the step runs")
        seen.append(warm.on("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '"))
        warm.on("touch", GO)

    thread = threading.Thread(target=look)
    thread.start()
    assert warm.say(word, seconds=30).outcome is Outcome.CHANGED
    thread.join()
    warm.on("rm", "-f", GO)
    assert seen and word not in seen[0]


def test_no_more_than_a_few_are_kept(warm: Site) -> None:
    results: list[RunResult] = []
    threads = [threading.Thread(target=lambda: results.append(warm.say("at once"))) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.outcome for one in results] == [Outcome.CHANGED] * 7
    assert 1 <= len(warm.interpreters()) <= 4


def test_an_orchestrator_that_is_gone_leaves_none(warm: Site) -> None:
    """Its connections end, and an interpreter ends with its own."""
    assert named("ssh", warm.run_root, "c-")
    warm.close()
    began = time.monotonic()
    eventually(lambda: not warm.interpreters(), 10, "they have ended")
    assert time.monotonic() - began < 10
    vars(warm)["_executors"].clear()


def test_the_program_needs_nothing_but_python() -> None:
    """What is sent to a server imports only itself and the standard library."""
    folder = Path(PROJECT_ROOT / "orchestrator/execute/node")
    for name in ("frames", "program"):
        lines = (folder / f"{name}.py").read_text().splitlines()
        imported = [line for line in lines if line.startswith(("import ", "from "))]
        assert not [line for line in imported if "orchestrator" in line and ".node.frames" not in line]
        assert not [line for line in imported if "ansible" in line.split()[1]]
