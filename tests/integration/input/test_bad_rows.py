"""Bad rows end in error, with the field, the reason and the remedy; they run nothing and are never tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.models.task import LogEntry, Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store import services
from tests.integration.conftest import opened
from tests.integration.input.conftest import inserter
from tests.integration.input.rows import OWNED, ROWS, Row
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench, an_app
from tests.support.executors import RecordingExecutor


@dataclass
class Aftermath:
    """What became of all the bad rows of one database."""

    database: str
    answers: dict[str, int | str]  # the row's id, or the words of the database that refused it
    ran: list[str]  # actions that an executor was asked for
    bench: Bench

    def task(self, row: Row) -> Task:
        """Return a bad row as it is now."""
        answer = self.answers[row.name]
        assert isinstance(answer, int), answer
        return Task.get_by_id(answer)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def aftermath(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[Aftermath]:
    """Insert every bad row into a healthy installation and let the queue have them."""
    folder = tmp_path_factory.mktemp("input")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'tenantry.db'}"
    else:
        url = request.getfixturevalue("maria_server").url("input")
    with opened(url):
        bench = Bench(an_app(url, home), RecordingExecutor())
        fleet.build()
        fleet_store.set_knob("tasks.batch_size", "64", "test")
        fleet.add_server("ns1", "10.77.0.53", "dns", hostname="ns1.provider.test")
        order(1, domain=OWNED)
        order(2, domain="child.parent.test", roles=["web"])
        bench.settle(seconds=60)
        bench.executor.requests.clear()
        insert = inserter(url)
        answers = {row.name: insert(row.values) for row in ROWS}
        bench.settle(seconds=120)
        yield Aftermath(request.param, answers, [one.action for one in bench.executor.requests], bench)
        bench.worker.drain(5)


def test_every_row_of_the_table_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_ends_in_error_and_says_why(row: Row, aftermath: Aftermath) -> None:
    answer = aftermath.answers[row.name]
    if aftermath.database in row.refused:
        assert isinstance(answer, str), f"the database took it as task {answer}"
        return
    task = aftermath.task(row)
    assert (task.status, task.attempts) == ("error", 1)
    for words in row.says:
        assert words in task.error
    assert ": " in task.error and "; " in task.error, "field: reason; remedy"
    assert "\n" not in task.error and len(task.error) < 500
    kinds = [entry.kind for entry in LogEntry.select().where(LogEntry.task_id == task.id)]
    assert kinds == ["attempt"]


def test_nothing_was_run(aftermath: Aftermath) -> None:
    assert aftermath.ran == []


def test_the_services_that_were_there_are_untouched(aftermath: Aftermath) -> None:
    for service_id in (1, 2):
        service = services.get(service_id)
        assert (service.status, service.error, service.generation) == ("active", None, 1)
    assert services.listing() and len(services.listing()) == 2


def test_a_good_order_still_goes_through(aftermath: Aftermath) -> None:
    order(9001, domain="good.test")
    aftermath.bench.settle(seconds=60)
    assert services.get(9001).status == "active"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("SHOUT.Test", "shout.test"),
        ("dot.test.", "dot.test"),
        (" space.test ", "space.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER2.test.", "xn--bcher2-3ya.test"),
        ("例え.test", "xn--r8jz45g.test"),
        ("xn--mnchen-3ya.test", "xn--mnchen-3ya.test"),
        ("ideographic。test", "ideographic.test"),
    ],
)
def test_spelling_is_normalised_not_refused(given: str, stored: str, aftermath: Aftermath) -> None:
    number = 9100 + sum(given.encode()) % 800
    order(number, domain=given, roles=["web"])
    aftermath.bench.settle(seconds=60)
    service = services.get(number)
    assert (service.domain, service.status) == (stored, "active")
