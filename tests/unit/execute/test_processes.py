"""Every process of an attempt is found and ended, and none of anybody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from orchestrator.execute import processes
from orchestrator.execute.processes import Process

ATTEMPT = "a-test-of-processes"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(100)"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert processes.end(ATTEMPT, grace_seconds=0) == frozenset()


def start(*command: str, marked: bool = True) -> subprocess.Popen[bytes]:
    environment = {"PATH": "/usr/bin:/bin", **({processes.MARK: ATTEMPT} if marked else {})}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)


def test_a_process_that_left_session_and_parent_is_found_by_its_mark() -> None:
    with start("setsid", "--fork", "sleep", "100") as launcher:
        assert launcher.wait(5) == 0
    assert len(processes.find(ATTEMPT)) == 1
    assert processes.end(ATTEMPT) == frozenset()
    assert processes.find(ATTEMPT) == frozenset()


def test_one_that_shows_no_environment_yet_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the midst of execve the kernel shows none; that moment cannot be held, so what is read then is made up."""
    read, looks = processes._read, iter([b"", b""])
    with start("sleep", "100") as begun:
        path = f"/proc/{begun.pid}/environ"
        monkeypatch.setattr(
            processes, "_read", lambda asked: next(looks, read(asked)) if asked == path else read(asked)
        )
        assert {one.pid for one in processes.find(ATTEMPT)} == {begun.pid}
        assert next(looks, None) is None, "it was asked for its environment twice in vain"
        assert processes.end(ATTEMPT) == frozenset()


def test_an_unmarked_descendant_is_found_by_its_descent() -> None:
    script = f"unset {processes.MARK}; env -i sleep 100 & env -i sleep 100; wait"
    with start("bash", "-c", script) as shell:
        root = processes.identify(shell.pid)
        assert root is not None
        deadline = time.monotonic() + 5
        while len(processes.find(ATTEMPT, [root])) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(processes.find(ATTEMPT, [root])) == 3
        assert processes.end(ATTEMPT, [root]) == frozenset()


def test_sigterm_is_followed_by_sigkill() -> None:
    with start(sys.executable, "-c", STUBBORN) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        processes.end(ATTEMPT, grace_seconds=0.3)
        assert process.wait(5) == -9
        assert 0.3 <= time.monotonic() - began < 3


def test_others_are_left_alone() -> None:
    with start("sleep", "100", marked=False) as stranger:
        environment = {processes.MARK: ATTEMPT + "-longer"}
        with subprocess.Popen(["sleep", "100"], env=environment) as neighbour:
            processes.end(ATTEMPT)
            assert (stranger.poll(), neighbour.poll()) == (None, None)
            neighbour.kill()
        stranger.kill()


def test_a_number_that_was_given_to_another_process_is_not_it() -> None:
    with start("sleep", "100", marked=False) as process:
        now = processes.identify(process.pid)
        assert now is not None
        earlier = Process(now.pid, now.started - 1)
        assert processes.find(ATTEMPT, [earlier]) == frozenset()
        assert processes.find(ATTEMPT, [now]) == {now}
        process.kill()


def test_the_caller_is_never_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    assert me not in processes.find(ATTEMPT, [me])


def test_a_dead_process_is_nobody() -> None:
    with start("true") as process:
        process.wait()
    assert processes.identify(process.pid) is None
    assert processes.received(process.pid, by_ssh=True) == processes.received(process.pid, by_ssh=False) == 0
