"""Whole transactions are replayed when they lost a race, and only then."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from peewee import OperationalError

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Unavailable
from orchestrator.models.fleet import Setting
from orchestrator.models.task import Task
from orchestrator.store import database, tasks
from orchestrator.store.database import session, transaction
from tests.support import fleet


def _put(name: str) -> None:
    Setting.insert(name=name, value="1", changed_by="test", changed_at=utc_now()).execute()


@pytest.mark.parametrize("code", [1213, 1205, 1020])
def test_a_lost_race_is_replayed_as_a_whole(db: str, code: int) -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        _put("a")  # would be there twice, were the first try not undone
        if len(tries) < 3:
            raise OperationalError(code, "lost a race")
        return "won"

    assert transaction(work) == "won"
    assert (len(tries), Setting.select().count()) == (3, 1)


def test_another_error_is_not_replayed_and_leaves_nothing(db: str) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        _put("a")
        raise OperationalError(1064, "no such statement")

    with pytest.raises(OperationalError):
        transaction(work)
    assert (len(tries), Setting.select().count()) == (1, 0)


def test_endless_races_end_as_unavailable(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.time, "sleep", lambda _: None)

    def work() -> None:
        raise OperationalError(1213, "deadlock")

    with pytest.raises(Unavailable, match="busy"):
        transaction(work)


@pytest.mark.parametrize("database_url", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
def test_a_real_deadlock_is_invisible(db: str) -> None:
    fleet.build()
    ids = [tasks.enqueue("service.redeploy", service_id=n) for n in (1, 2)]
    barrier, tries = threading.Barrier(2), Counter[int]()

    def worker(order: list[int]) -> None:
        def work() -> None:
            tries[order[0]] += 1
            for step, task_id in enumerate(order):
                Task.update(priority=Task.priority + 1).where(Task.id == task_id).execute()
                if step == 0 and tries[order[0]] == 1:
                    barrier.wait(timeout=20)

        with session():
            transaction(work)

    threads = [threading.Thread(target=worker, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(tries.values()) == 3, "one of the two had to go again"
    assert [tasks.get(one).priority for one in ids] == [102, 102]


def test_times_of_other_programs_are_read_whatever_their_precision(db: str) -> None:
    for moment in ("2026-02-28 23:59:59", "2026-02-28 23:59:59.9", "2026-02-28 23:59:59.999999"):
        task = fleet.insert_task({"action": "service.redeploy", "service_id": 1, "run_after": moment})
        assert f"{tasks.get(task).run_after:%Y-%m-%d %H:%M:%S.%f}" == moment.ljust(
            26, "0" if "." in moment else " "
        ).replace(" " * 7, ".000000")
