"""However an attempt ends: its whole process tree ends, its directory goes, and the outcome says what happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.states import Outcome
from orchestrator.execute import workspace
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import WARM
from tests.acceptance.execute.bench import Bench, eventually, marked, named
from tests.conftest import require


@pytest.fixture(scope="module")
def slow(bench: Bench) -> str:
    """Return an action that leaves a daemon of its own on this machine and then keeps the node busy for long."""
    tasks = """
    - name: Ensure a process that has left its session
      ansible.builtin.command:
        argv: [setsid, --fork, sleep, "4748"]
      changed_when: false
      delegate_to: localhost
      vars:
        ansible_connection: local
    - name: Check for long
      ansible.builtin.command:
        argv: [sleep, "300"]
      changed_when: false
    """
    return bench.play("slow", tasks)


def working(bench: Bench) -> bool:
    """True when an attempt has begun its long task."""
    lines = marked(bench.run_root).values()
    return any("sleep 4748" in line for line in lines) and any(
        line.startswith("ssh") and "-N" not in line for line in lines
    )


def while_it_works(bench: Bench, then: Callable[[], None]) -> threading.Thread:
    """Return a started thread that waits for the long task and does something."""

    def wait() -> None:
        eventually(lambda: working(bench), 30, "the long task runs")
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def of_ansible(bench: Bench) -> list[int]:
    """Return the ansible-playbook processes, the first one is the play; where it forks for its tasks the others are those."""
    return named("ansible-playboo", bench.run_root)


def test_where_memory_runs_out_an_attempt_goes_first(bench: Bench, slow: str) -> None:
    asked = threading.Event()
    scores: set[int] = set()

    def look() -> None:
        scores.update(int(Path(f"/proc/{number}/oom_score_adj").read_text()) for number in of_ansible(bench))
        asked.set()

    thread = while_it_works(bench, look)
    bench.run(slow, cancelled=asked.is_set)
    thread.join()
    assert scores == {500}


def test_a_timeout_ends_the_whole_tree(bench: Bench, slow: str) -> None:
    result = bench.run(slow, timeout=10)
    assert (result.outcome, result.reason) == (Outcome.TIMEOUT, "timeout")
    assert "during “Check for long”" in result.message
    assert 10 <= result.duration_seconds < 20


def test_silence_ends_it_too(bench: Bench, slow: str) -> None:
    result = bench.run(slow, timeout=60, idle_timeout=4.0)
    assert (result.outcome, result.reason) == (Outcome.TIMEOUT, "idle")


def test_a_cancelled_attempt_ends_within_seconds(bench: Bench, slow: str) -> None:
    asked = threading.Event()
    thread = while_it_works(bench, asked.set)
    result = bench.run(slow, cancelled=asked.is_set)
    thread.join()
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, "cancelled")


def test_a_killed_ansible_is_lost(bench: Bench, slow: str) -> None:
    thread = while_it_works(bench, lambda: os.kill(of_ansible(bench)[0], signal.SIGKILL))
    result = bench.run(slow)
    thread.join()
    assert (result.outcome, result.reason) == (Outcome.LOST, "no_report")
    assert result.duration_seconds < 45


def test_a_killed_helper_is_lost(bench: Bench, slow: str) -> None:
    """One that was forked is followed by one that is started: nobody knows what was wrong with the first."""
    killed: list[int] = []

    def another(helper: int) -> bool:
        return named("tenantry-helper", bench.run_root) not in ([], [helper]) and working(bench)

    def kill() -> None:
        (helper,) = named("tenantry-helper", bench.run_root)
        os.kill(helper, signal.SIGKILL)
        killed.append(helper)
        if bench.mode == WARM and len(killed) == 1:
            eventually(lambda: another(helper), 30, "it is tried again")
            kill()

    warm = bench.executor().warm
    thread = while_it_works(bench, kill)
    result = bench.run(slow)
    thread.join()
    assert (result.outcome, result.reason) == (Outcome.LOST, "no_report")
    assert "killed" in result.message
    assert len(killed) == (2 if warm else 1)
    assert warm is None or warm.counts["lost"] == 1


ORCHESTRATOR = """
import json, sys
from orchestrator.core.records import Host, RunRequest
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import ExecutorSettings
from pathlib import Path
order = json.loads(sys.argv[1])
settings = ExecutorSettings(mode=order["mode"], **{name: Path(value) for name, value in order["settings"].items()})
host = Host(**order["host"])
request = RunRequest(action=order["action"], host=host, job={"action": order["action"]}, timeout_seconds=60)
executor = AnsibleExecutor(settings)
assert executor.warm is None or executor.warm.is_ready(30)
print(executor.run(request, lambda: False))
"""


def orchestrator(bench: Bench, action: str) -> subprocess.Popen[bytes]:
    """Return a process that runs an action."""
    settings = bench.settings()
    names = ("project_root", "run_root", "private_key")
    order = {
        "settings": {name: str(getattr(settings, name)) for name in names},
        "mode": settings.mode,
        "host": vars(bench.host()),
        "action": action,
    }
    command = [sys.executable, "-c", ORCHESTRATOR, json.dumps(order)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL)


def test_a_killed_orchestrator_leaves_nothing_that_the_next_does_not_sweep(bench: Bench, slow: str) -> None:
    with orchestrator(bench, slow) as process:
        eventually(lambda: working(bench), 30, "the long task runs")
        assert workspace.sweep(bench.run_root) == []  # somebody runs it: not for the janitor
        process.kill()
    eventually(lambda: not marked(bench.run_root), 15, "the attempt's processes end by themselves")
    (left,) = [path for path in bench.run_root.iterdir() if path.name.startswith("a-")]
    assert (left / "job.json").exists()
    AnsibleExecutor(bench.settings())
    assert not left.exists()


def test_a_killed_orchestrator_and_helper_are_swept_with_what_still_runs(bench: Bench, slow: str) -> None:
    with orchestrator(bench, slow) as process:
        eventually(lambda: working(bench), 30, "the long task runs")
        (helper,) = named("tenantry-helper", bench.run_root)
        os.kill(helper, signal.SIGSTOP)  # it cannot act on the death of the orchestrator
        os.kill(process.pid, signal.SIGKILL)
        os.kill(helper, signal.SIGKILL)
    assert marked(bench.run_root)
    AnsibleExecutor(bench.settings())


def test_endless_output_is_stopped_and_takes_little_memory(bench: Bench) -> None:
    tasks = "- name: Check the flood\n  ansible.builtin.raw: yes this-line-never-ends-and-says-nothing\n"
    largest = 0
    over = threading.Event()

    def measure() -> None:
        nonlocal largest
        while not over.wait(0.1):
            for number in marked(bench.run_root):
                largest = max(largest, resident(number))

    thread = threading.Thread(target=measure)
    thread.start()
    result = bench.run(bench.play("flood", tasks), timeout=90)
    over.set()
    thread.join()
    assert (result.outcome, result.reason) == (Outcome.FAILED, "output_flood")
    assert 0 < largest < 300_000_000


def resident(number: int) -> int:
    """Return the memory of a process in bytes, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_too_many_events_are_stopped(bench: Bench) -> None:
    tasks = """
    - name: Check again and again
      ansible.builtin.debug:
        msg: again
      loop: "{{ range(40) | list }}"
    - name: Check once more
      ansible.builtin.meta: noop
    """
    result = bench.run(bench.play("many", tasks * 3), maximum_events=4)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "output_flood")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a disk of 400 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tenantry-test", str(folder)], check=False)
    require("no file system can be mounted here" if done.returncode else "")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_starts_nothing(bench: Bench, slow: str, small_disk: Path) -> None:
    result = bench.run(slow, run_root=small_disk)
    assert (result.outcome, result.reason) == (Outcome.LOST, "controller_disk_full")


def test_a_disk_that_fills_up_meanwhile_hangs_nothing(bench: Bench, small_disk: Path) -> None:
    tasks = """
    - name: Check something with much output
      ansible.builtin.raw: head -c 600000 /dev/zero | tr '\\\\0' x
      changed_when: false
    """
    action = bench.play("fills", tasks)
    began = time.monotonic()
    result = bench.run(action, run_root=small_disk, free_bytes=0, timeout=15)
    assert result.outcome in (
        Outcome.OK,
        Outcome.LOST,
        Outcome.TIMEOUT,
    )  # OK: only an event had no room, not the report
    assert time.monotonic() - began < 40
    assert marked(small_disk) == {}
