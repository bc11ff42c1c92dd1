"""A step that waits for a task of another operation is woken however the two meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from orchestrator.models.task import Task, TaskDependency
from orchestrator.store import tasks, timeline, waiting
from orchestrator.store.database import locked, session, transaction
from tests.support import fleet


def _end(task_id: int, at_the_end: Callable[[], object]) -> None:
    """End a task as an attempt does: lock it, mark it, wake who waits; ``at_the_end`` runs before the commit."""

    def work() -> None:
        locked(Task.select().where(Task.id == task_id)).first()
        Task.update(status="done").where(Task.id == task_id).execute()
        waiting.wake_dependants(task_id)
        at_the_end()

    with session():
        transaction(work)


def _make_a_step(task_id: int) -> None:
    """Only steps of an operation may wait."""
    Task.update(operation_id=1).where(Task.id == task_id).execute()


def _let_wait(task_id: int, needed: int, begun: Callable[[], object]) -> None:
    with session():
        begun()
        transaction(lambda: waiting.let_wait([Task.get_by_id(task_id)], needed))


def test_a_task_that_ends_while_another_begins_to_wait_for_it_wakes_it(db: str) -> None:
    fleet.build()
    needed, newer = (tasks.enqueue("service.redeploy", service_id=number) for number in (1, 2))
    _make_a_step(newer)
    marked, asked = threading.Event(), threading.Event()

    def hold() -> None:
        """Stay uncommitted until the other has begun and had time to read what is committed."""
        marked.set()
        assert asked.wait(20)
        asked.clear()
        asked.wait(0.3)

    with ThreadPoolExecutor(2) as pool:
        ending = pool.submit(_end, needed, hold)
        assert marked.wait(20)
        beginning = pool.submit(_let_wait, newer, needed, asked.set)
        ending.result(20)
        beginning.result(20)
    assert Task.get_by_id(newer).status == "queued"


def test_the_last_two_of_different_operations_that_end_together_wake_what_waits_for_both(db: str) -> None:
    fleet.build()
    one, two, newer = (tasks.enqueue("service.redeploy", service_id=number) for number in (1, 2, 3))
    _make_a_step(newer)
    transaction(lambda: [waiting.let_wait([Task.get_by_id(newer)], needed) for needed in (one, two)])
    assert Task.get_by_id(newer).status == "waiting"
    marked = threading.Event()

    def hold() -> None:
        marked.set()
        threading.Event().wait(0.3)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_end, one, hold)
        assert marked.wait(20)
        second = pool.submit(_end, two, lambda: None)
        first.result(20)
        second.result(20)
    assert Task.get_by_id(newer).status == "queued"


def test_a_task_that_is_done_or_gone_keeps_nothing_waiting(db: str) -> None:
    fleet.build()
    needed, newer = (tasks.enqueue("service.redeploy", service_id=number) for number in (1, 2))
    _make_a_step(newer)
    Task.update(status="done").where(Task.id == needed).execute()
    transaction(lambda: [waiting.let_wait([Task.get_by_id(newer)], one) for one in (needed, None, 999_999)])
    assert Task.get_by_id(newer).status == "queued"
    assert TaskDependency.select().count() == 0


def test_an_operation_can_move_while_one_of_its_steps_waits_for_an_open_task_of_somebody_else(db: str) -> None:
    fleet.build()
    needed, step = (tasks.enqueue("service.redeploy", service_id=number) for number in (1, 2))
    _make_a_step(step)
    transaction(lambda: waiting.let_wait([Task.get_by_id(step)], needed))
    assert (Task.get_by_id(step).status, timeline.can_move(1)) == ("waiting", True)
    for status, moves in (("error", False), ("running", True), ("cancelled", False)):
        Task.update(status=status).where(Task.id == needed).execute()
        assert timeline.can_move(1) is moves, status
