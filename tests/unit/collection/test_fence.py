"""The guard of a node under load: steps as processes of their own, that are slow, stopped or killed."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import fence

SECONDS = 15.0  # a bound for what has to happen
QUIET = 0.4  # how long something is watched that may not happen
# Says "begin" under the guard and stays there until it is told to go on.
STEP = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("fence", sys.argv[1])
fence = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fence)
try:
    with fence.guard(json.loads(sys.argv[2]), wait_seconds=float(sys.argv[3]), directory=sys.argv[4]):
        print("begin", flush=True)
        sys.stdin.readline()
    print("end", flush=True)
except (fence.Fenced, fence.Busy) as failure:
    print(type(failure).__name__, flush=True)
"""


class Attempt:
    """One step on the node."""

    def __init__(self, directory: Path, generation: int, key: str, token: int, service: int, wait: float) -> None:
        presented = {"service": service, "generation": generation, "key": key, "token": token}
        self.process = subprocess.Popen(
            [sys.executable, "-c", STEP, fence.__file__, json.dumps(presented), str(wait), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def says(self, seconds: float = SECONDS) -> str:
        """Return the next thing it says, nothing when it is silent for so long."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline().strip() if ready else ""

    def is_waiting(self) -> bool:
        return self.says(QUIET) == ""

    def go_on(self) -> str:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        return self.says()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


Start = Callable[..., Attempt]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Yield what begins an attempt: generation, key and, when it matters, the rest."""
    begun: list[Attempt] = []

    def begin(generation: int, key: str, *, token: int = 1, service: int = 1001, wait: float = SECONDS) -> Attempt:
        begun.append(Attempt(tmp_path / "guard", generation, key, token, service, wait))
        return begun[-1]

    yield begin
    for attempt in begun:
        attempt.close()


def test_a_newer_generation_begins_when_the_running_steps_of_older_ones_have_ended(start: Start) -> None:
    old = [start(1, key) for key in ("user", "domain")]
    assert [one.says() for one in old] == ["begin", "begin"]
    suspend = start(2, "suspend")
    assert suspend.is_waiting()
    assert old[0].go_on() == "end"
    assert suspend.is_waiting()
    assert old[1].go_on() == "end"
    assert suspend.says() == "begin"
    assert start(1, "php").says() == "Fenced"
    assert suspend.go_on() == "end"
    assert start(1, "php").says() == "Fenced"


def test_a_stopped_step_holds_a_newer_generation_and_a_killed_one_lets_it_go(start: Start) -> None:
    old = start(1, "user")
    assert old.says() == "begin"
    old.process.send_signal(signal.SIGSTOP)
    newer = start(2, "suspend")
    assert newer.is_waiting()
    old.process.kill()
    assert newer.says() == "begin"


def test_a_newer_generation_that_has_waited_long_enough_is_busy_and_has_recorded_nothing(start: Start) -> None:
    old = start(1, "user")
    assert old.says() == "begin"
    assert start(2, "suspend", wait=0.2).says() == "Busy"
    other = start(1, "domain")
    assert other.says() == "begin"
    assert [old.go_on(), other.go_on()] == ["end", "end"]
    assert start(2, "suspend").says() == "begin"


def test_services_never_wait_for_each_other(start: Start) -> None:
    old = start(1, "user")
    assert old.says() == "begin"
    waiting = start(2, "user")
    others = [start(1, "user", service=2002), start(9, "user", service=2003)]
    assert [one.says() for one in others] == ["begin"] * 2
    assert waiting.is_waiting()


def test_steps_of_one_generation_run_side_by_side(start: Start) -> None:
    """All of them are new to the node, so each may be the one that has to make the generation known."""
    for generation in range(1, 6):
        steps = [start(generation, f"step{number}", token=generation) for number in range(5)]
        assert [one.says() for one in steps] == ["begin"] * 5
        assert [one.go_on() for one in steps] == ["end"] * 5


def test_one_that_waited_for_its_own_first_step_does_not_wait_for_its_end(start: Start) -> None:
    old = start(1, "user")
    assert old.says() == "begin"
    newer = [start(2, f"step{number}") for number in range(4)]
    assert all(one.is_waiting() for one in newer)
    assert old.go_on() == "end"
    assert [one.says() for one in newer] == ["begin"] * 4


@pytest.mark.parametrize("key", ("suspend", "user"))
def test_two_newer_generations_at_once_come_to_an_end_and_the_newest_wins(start: Start, key: str) -> None:
    """With "user" the one in the middle also waits for the lock of its own step, which the oldest holds."""
    for base in range(1, 12, 3):
        old = start(base, "user", token=base)
        assert old.says() == "begin"
        middle, newest = start(base + 1, key, token=base + 1), start(base + 2, "terminate", token=base + 2)
        assert middle.is_waiting() and newest.is_waiting()
        assert old.go_on() == "end"
        said = middle.says()
        assert said in ("begin", "Fenced")
        if said == "begin":  # it was faster: the newest begins after it
            assert middle.go_on() == "end"
        assert newest.says() == "begin"
        assert newest.go_on() == "end"


def test_a_step_that_waits_is_not_kept_by_one_of_a_newer_generation(start: Start) -> None:
    """The newest runs for long: what is older does not wait for its end to be told that it is too late."""
    first = start(1, "user")
    assert first.says() == "begin" and first.go_on() == "end"
    newest = start(3, "terminate", token=3)
    assert newest.says() == "begin"
    assert start(2, "suspend", token=2).says() == "Fenced"
    assert start(1, "domain").says() == "Fenced"
