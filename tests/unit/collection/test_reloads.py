"""Steps that write for one daemon at the same time share a reload, and none of them is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, reloads

PATIENCE = 20.0


class Daemon:
    """What is written for it, and what each of its reloads has read."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.read: list[list[int]] = []

    def reload(self) -> None:
        """Read what is written; it takes a moment in which nobody may write."""
        before = list(self.written)
        time.sleep(0.05)
        assert self.written == before, "somebody wrote meanwhile"
        self.read.append(before)


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    monkeypatch.setattr(daemon, "LOCK_DIRECTORY", str(tmp_path / "lock"))
    return Daemon()


def step(one: Daemon, number: int, seconds: float, comes: Callable[[], object] = lambda: None) -> bool:
    """Write and have it loaded, as a step does; ``comes`` is between being announced and writing."""
    with reloads.coming("it"):
        comes()
        with daemon.serialised("it"):
            one.written.append(number)
            written = time.monotonic()
    is_ours = reloads.joined("it", written, seconds, one.reload)
    assert number in one.read[-1], "what this step wrote is loaded when it goes on"
    return is_ours


def test_alone_it_reloads_and_the_next_one_reloads_again(one: Daemon) -> None:
    assert [step(one, 1, 60), step(one, 2, 60)] == [True, True]
    assert one.read == [[1], [1, 2]]


def test_who_was_coming_already_is_waited_for_and_has_no_reload_of_its_own(one: Daemon) -> None:
    announced, may_write = threading.Event(), threading.Event()

    def late() -> None:
        announced.set()
        assert may_write.wait(PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        second = pool.submit(step, one, 2, PATIENCE, late)
        assert announced.wait(PATIENCE)
        first = pool.submit(step, one, 1, PATIENCE)
        while 1 not in one.written:
            time.sleep(0.001)
        assert one.read == []
        may_write.set()
        assert sorted([first.result(PATIENCE), second.result(PATIENCE)]) == [False, True]
    assert one.read == [[1, 2]]


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_the_wait_is_bounded_and_who_is_later_reloads_for_itself(one: Daemon, seconds: float) -> None:
    first: Future[bool]

    def much_later() -> None:
        nonlocal first
        first = pool.submit(step, one, 1, seconds)
        assert first.result(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        assert step(one, 2, seconds, much_later)
    assert one.read == [[1], [1, 2]]


def test_many_at_once_need_few_reloads_and_each_finds_its_own_loaded(one: Daemon) -> None:
    ready = threading.Barrier(12)
    with ThreadPoolExecutor(12) as pool:
        steps = [pool.submit(step, one, number, PATIENCE, lambda: ready.wait(PATIENCE)) for number in range(12)]
        ours = [found.result(PATIENCE) for found in steps]
    assert sum(ours) == len(one.read) == 1


def test_one_whose_reload_failed_leaves_it_to_the_next(one: Daemon) -> None:
    def broken() -> None:
        raise RuntimeError("it does not answer")

    with pytest.raises(RuntimeError):
        reloads.joined("it", time.monotonic(), 0, broken)
    assert step(one, 1, 0)


def test_a_note_that_was_cut_off_is_none(one: Daemon, tmp_path: Path) -> None:
    assert step(one, 1, 0)
    (tmp_path / "lock" / "it-reload").write_text("12.")
    assert step(one, 2, 0)
    (tmp_path / "lock" / "it-reload").write_text("1e999x")
    assert step(one, 3, 0)
