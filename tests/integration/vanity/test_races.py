"""One name, several who want it at the same moment."""

from __future__ import annotations

import threading

import pytest

from orchestrator.core.errors import Conflict
from orchestrator.engine import Engine
from orchestrator.models.service import DomainName, Mailbox
from orchestrator.models.task import Task
from orchestrator.store.database import session, transaction
from tests.integration.vanity.conftest import Provider


def test_of_two_orders_of_one_name_at_once_one_wins_and_the_other_says_why(provider: Provider) -> None:
    numbers = range(5001, 5007)
    tasks = {number: provider.ask("create", number, **provider.wanted(number, "race")) for number in numbers}
    provider.settle()
    rows = {number: Task.get_by_id(task) for number, task in tasks.items()}
    won = [number for number, row in rows.items() if row.status == "done"]
    assert len(won) == 1
    for number, row in rows.items():
        assert number in won or "is taken under" in row.error, row.error
    assert {row.service_id for row in DomainName.select().where(DomainName.name == "race.provider.test")} == set(won)
    assert Mailbox.select().where(Mailbox.local_part == "race").count() == 1


@pytest.mark.parametrize("database_url", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
def test_two_orchestrators_cannot_give_one_name_away_twice(provider: Provider, app: Engine) -> None:
    barrier, ended = threading.Barrier(4), []

    def order(number: int) -> None:
        wish = {**provider.wanted(number, "race"), "package": "tiny"}
        with session():
            apply = app._prepare("service.create", number, wish, "test")
            barrier.wait(timeout=30)  # all of them found the name free
            try:
                transaction(apply)
                ended.append("won")
            except Conflict as error:
                ended.append(str(error))

    threads = [threading.Thread(target=order, args=(number,)) for number in range(5001, 5005)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(one == "won" for one in ended) == [False, False, False, True], ended
    assert all(
        one == "won" or "race is taken under provider.test: race.provider.test belongs to service" in one
        for one in ended
    )
