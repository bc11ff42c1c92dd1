"""Changes that can never work end in error at once, with the field, the reason and the remedy; nothing is half made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.models.objects import CronJob, MailAlias, ServiceDatabase, SftpAccount
from orchestrator.models.service import DnsRecord, DomainName, Mailbox
from orchestrator.models.task import Operation, Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store import services
from tests.integration.client.conftest import ROOM, SERVICE, Customer
from tests.integration.client.rows import ROWS, SEALED, Row
from tests.integration.conftest import opened
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench, an_app
from tests.support.executors import RecordingExecutor


@pytest.fixture(scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def answers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[dict[str, int]]:
    """Ask for every change of the table and let the queue have them; yield the number of each task."""
    folder = tmp_path_factory.mktemp("client")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'tenantry.db'}"
    else:
        url = request.getfixturevalue("maria_server").url("client")
    with opened(url):
        bench = Bench(an_app(url, home), RecordingExecutor())
        fleet.build(**ROOM, mail_disk_mb=1000)
        fleet_store.set_knob("tasks.batch_size", "64", "test")
        fleet.add_server("ns3", "10.77.0.53", "dns", hostname="ns1.provider.test")
        order()
        order(1002, domain="owned.test", roles=["web"])
        order(1003, domain="child.parent.test", roles=["web"])
        bench.settle(seconds=60)
        bench.executor.requests.clear()
        asked = Customer(bench, home)
        sealed = asked.sealed("correct horse")
        found = {}
        for row in ROWS:
            params = {key: sealed if value is SEALED else value for key, value in row.params.items()}
            found[row.name] = asked.insert(row.action, **params)
        bench.settle(seconds=240)
        assert asked.ran == []
        yield found
        bench.worker.drain(5)


def test_every_row_of_the_table_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 150


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_ends_in_error_and_says_why(row: Row, answers: dict[str, int]) -> None:
    task = Task.get_by_id(answers[row.name])
    assert (task.status, task.attempts) == ("error", 1), task.error
    for words in row.says:
        assert words in task.error
    assert ": " in task.error and "; " in task.error, "field: reason; remedy"
    assert task.error.isprintable() and len(task.error) < 500


def test_nothing_is_half_made(answers: dict[str, int]) -> None:
    assert answers
    for model in (ServiceDatabase, SftpAccount, CronJob, MailAlias, DnsRecord):
        assert model.select().count() == 0
    assert Mailbox.select().count() == 1
    assert DomainName.select().count() == 3
    assert Operation.select().count() == 3
    row = services.get(SERVICE)
    assert (row.status, row.error, row.php_version, row.proxy_template) == ("active", None, "8.2", "php")


GOOD = {
    "web.domain_absent": {"domain": "x.example"},
    "web.php_present": {"version": "8.2"},
    "web.proxy_present": {"template": "php"},
    "web.database_absent": {"name": "a"},
    "web.sftp_absent": {"name": "a"},
    "web.cron_absent": {"name": "a"},
    "mail.mailbox_absent": {"local_part": "a"},
    "mail.alias_absent": {"local_part": "a"},
    "dns.record_absent": {"name": "a", "type": "A"},
}


@pytest.mark.parametrize("action", GOOD)
@pytest.mark.parametrize(("service_id", "says"), [(None, "is missing"), (4711, "there is no service 4711")])
def test_a_change_of_no_service_is_refused(action: str, service_id: int | None, says: str, bench: Bench) -> None:
    values = {"action": action, "params": json.dumps(GOOD[action])}
    task = fleet.insert_task(values if service_id is None else values | {"service_id": service_id})
    bench.settle()
    row = Task.get_by_id(task)
    assert row.status == "error" and f"service_id: {says}" in row.error
