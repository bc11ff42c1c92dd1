"""The WHMCS module: PHP under the granted user, real MariaDB, a stand-in for WHMCS's own classes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests as http

from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.models.base import database
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from tests.conftest import require
from tests.integration.conftest import opened
from tests.integration.store.test_grants import _DENIED, ALLOWED, FORBIDDEN, GRANTS
from tests.support import fleet, mariadb
from tests.support.bench import Bench, an_app
from tests.support.executors import RecordingExecutor
from tests.support.http_api import serving, token
from tests.support.whmcs_module import Whmcs, params

pytestmark = pytest.mark.mariadb

SECRET = "canary {{ 7 }} ä'\" 123"


@pytest.fixture(scope="module")
def world(home: Path) -> Iterator[tuple[Whmcs, Bench]]:
    """Yield the module, set up as in WHMCS, and a worker over the same database."""
    require(mariadb.missing() or ("" if shutil.which("php") else "php-cli is not installed"))
    with mariadb.server() as server:
        url = server.url("tenantry")
        with opened(url):
            fleet.build()
            command = ["mariadb", f"--socket={server.socket}", "--user=root", "tenantry"]
            subprocess.run(command, stdin=GRANTS.open("rb"), check=True, timeout=60)
            with server.root() as cursor:
                cursor.execute("ALTER USER billing@'%' IDENTIFIED BY 'canary-database'")
            bench = Bench(an_app(url, home), RecordingExecutor())
            yield Whmcs(params(server.port, "canary-database", keys.public_pem(home), SECRET)), bench
            bench.worker.drain(5)


def requests() -> list[tuple[str, str]]:
    """Return (action, status) of what the module has written."""
    rows = Task.select().where(Task.idempotency_key.is_null(False)).order_by(Task.id)
    return [(row.action, row.status) for row in rows]


def hash_matches(secret: str) -> bool:
    """True when the service's password is this one."""
    return bcrypt.checkpw(secret.encode(), Service.get_by_id(1001).password_hash.encode())


def test_the_life_of_a_service(world: tuple[Whmcs, Bench]) -> None:
    whmcs, bench = world
    assert whmcs.call("TestConnection") == {"success": True, "error": ""}
    assert whmcs.call("AdminServicesTabFields") == {"Tenantry": "Not ordered yet, or the order was refused."}

    assert [whmcs.call("CreateAccount") for _ in range(2)] == ["success", "success"]
    assert requests() == [("service.create", "queued")]  # pressed twice, ordered once
    assert SECRET not in Task.get().params
    bench.settle()
    row = Service.get_by_id(1001)
    assert (row.status, row.domain) == ("active", "shop.test")
    assert hash_matches(SECRET)
    area = whmcs.call("ClientArea")["templateVariables"]
    assert (area["status"], area["progress"], area["mayAct"]) == ("active", 100, True)
    assert "web1" not in json.dumps(area)  # no server's name is the customer's business
    assert whmcs.call("ServiceSingleSignOn")["redirectTo"] == "https://shop.test/"
    assert "web=web1" in whmcs.call("AdminServicesTabFields")["Servers"]

    assert whmcs.call("SuspendAccount", suspendreason="unpaid") == "success"
    bench.settle()
    assert Service.get_by_id(1001).status == "suspended"
    before = len(requests())
    for function in ("clientsync", "clientretry"):
        assert "not possible while the service is suspended" in whmcs.call(function)
    assert len(requests()) == before
    assert whmcs.call("ListAccounts")["accounts"][0]["status"] == "Suspended"

    assert whmcs.call("UnsuspendAccount") == "success"
    bench.settle()
    assert whmcs.call("ChangePassword", password="canary-second") == "success"
    assert (
        whmcs.call("ChangePassword", password="canary-third") == "success"
    )  # another wish, although the first is open
    bench.settle()
    assert hash_matches("canary-third")
    assert whmcs.call("repair") == "success"
    bench.settle()
    assert whmcs.call("TerminateAccount") == "success"
    bench.settle()
    assert Service.get_by_id(1001).status == "terminated"
    assert {status for _, status in requests()} == {"done"}


def test_wishes_that_follow_each_other_are_all_written(world: tuple[Whmcs, Bench]) -> None:
    whmcs, _ = world
    for function in ("SuspendAccount", "UnsuspendAccount", "SuspendAccount", "SuspendAccount", "UnsuspendAccount"):
        assert whmcs.call(function, serviceid=2002) == "success"
    rows = Task.select().where((Task.service_id == 2002) & Task.idempotency_key.is_null(False)).order_by(Task.id)
    assert [row.action.split(".")[1] for row in rows] == ["suspend", "unsuspend", "suspend", "unsuspend"]


def test_figures_equal_those_of_the_database(world: tuple[Whmcs, Bench]) -> None:
    whmcs, bench = world
    assert whmcs.call("CreateAccount", serviceid=3003, domain="figures.test") == "success"
    bench.settle()
    figures = {"disk": 5 * 2**30, "databases": 0, "bandwidth": 3 * 2**30}
    for metric, value in figures.items():
        period = f"{utc_now():%Y-%m}" if metric == "bandwidth" else "now"
        usage(3003, metric, value, period)
    usage(3003, "bandwidth", 9 * 2**40, "2020-01")  # a month that is over is never billed again
    found = whmcs.call("figures")["figures.test"]
    assert found == {"disk": ["snapshot", 5], "bandwidth": ["month", 3], "databases": ["snapshot", 0]}
    (update,) = whmcs.answer("UsageUpdate")["updates"]
    assert update["where"] == {"table": "tblhosting", "id": 3003, "server": 3}
    assert (update["values"]["diskusage"], update["values"]["bwusage"]) == (5120, 3072)


def usage(service: int, metric: str, value: int, period: str) -> None:
    """Store a figure."""
    database.execute_sql(
        "INSERT INTO usage_current (service_id, metric, value, unit, period, collected_at) "
        "VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
        (service, metric, value, "bytes" if metric != "databases" else "count", period),
    )


def test_the_server_refuses_everything_else(world: tuple[Whmcs, Bench]) -> None:
    whmcs, _ = world
    assert whmcs.refusals(ALLOWED) == [0] * len(ALLOWED)
    codes = dict(zip(FORBIDDEN, whmcs.refusals(FORBIDDEN), strict=True))
    assert {statement: code for statement, code in codes.items() if code not in _DENIED} == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"serverport": 9}, "The orchestrator's database"),
        ({"serverpassword": "wrong"}, "Access denied"),
        ({"serveraccesshash": "nothing"}, "tenantry keys show-public"),
        ({"serveraccesshash": "database=a;b\n", "password": ""}, "may hold letters"),
        ({"serverhostname": "", "serverip": ""}, "has no hostname"),
        ({"serversecure": True}, "The orchestrator's database"),  # TLS, which this server has not: no plain way
        ({"password": "canary" * 60}, "too long"),
    ],
)
def test_a_mistake_is_told_and_writes_nothing(wrong: dict[str, Any], told: str, world: tuple[Whmcs, Bench]) -> None:
    whmcs, _ = world
    count = Task.select().count()
    assert told in whmcs.call("CreateAccount", serviceid=4004, domain="wrong.test", **wrong)
    assert Task.select().count() == count


def test_the_customer_is_led_to_the_page_of_the_service_where_there_are_pages(world: tuple[Whmcs, Bench]) -> None:
    whmcs, bench = world
    with serving(bench.app) as site:
        lines = f"pages={site.url}\ntoken={token('whmcs', 'link')}\n"
        led = whmcs.call("ServiceSingleSignOn", serveraccesshash=lines + whmcs.params["serveraccesshash"])
        assert led["success"], led
        assert led["redirectTo"].startswith(f"{site.url}/s/1001.")
        assert "data-live=" in http.get(led["redirectTo"], timeout=20).text
        wrong = lines.replace("token=tnt_", "token=tnt_x")
        refused = whmcs.call("ServiceSingleSignOn", serveraccesshash=wrong + whmcs.params["serveraccesshash"])
        assert "is the token right" in refused["errorMsg"]
