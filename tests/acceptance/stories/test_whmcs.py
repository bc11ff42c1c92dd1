"""WHMCS's module in PHP, the granted user on MariaDB, an orchestrator and real nodes: an account's whole life."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from demo import outside
from demo.installation import Installation
from lab import access
from tests.acceptance.stories import world
from tests.acceptance.stories.conftest import Build
from tests.conftest import require
from tests.integration.store.test_grants import _DENIED, FORBIDDEN, GRANTS
from tests.support import mail, mariadb
from tests.support.sftp import Customer
from tests.support.whmcs_module import Whmcs, params

pytestmark = [pytest.mark.lab, pytest.mark.mariadb]

BILLING, SECOND = "canary-7c1e-billing", "canary-7c1e-second $(id) {{ 7*7 }}"
FIRST = "canary-7c1e-first 'quoted' {{ 7*7 }}"
MARK = b"canary-7c1e"  # begins every secret; a job's own canary is another word
DOMAIN, BOX, LOGIN = "shop.test", "postmaster@shop.test", "w1001_up"


@dataclass(frozen=True)
class Company:
    """A company that runs WHMCS: its module, its database and our installation."""

    whmcs: Whmcs
    maria: mariadb.MariaServer
    site: Installation

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        with self.maria.root() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def settled(self) -> None:
        """Wait until every request is done and all that followed from it."""
        open_rows = "SELECT action, status, error FROM tenantry.tasks WHERE status IN ('queued', 'running', 'waiting')"
        world.eventually(lambda: not self.rows(open_rows), 240, "all is done")
        assert self.rows("SELECT action, error FROM tenantry.tasks WHERE status = 'error'") == []

    def insert(self, action: str, wish: dict[str, Any]) -> None:
        """Write a row as the granted user does, with the same rights as the module's."""
        account = {"user": "billing", "password": BILLING, "database": "tenantry", "autocommit": True}
        with pymysql.connect(host="127.0.0.1", port=self.maria.port, **account) as open_, open_.cursor() as cursor:
            statement = "INSERT INTO tasks (action, service_id, params) VALUES (%s, 1001, %s)"
            cursor.execute(statement, (action, json.dumps(wish)))


@pytest.fixture(scope="module")
def company(build: Build) -> Iterator[Company]:
    """Yield a company whose first account is active."""
    require(mariadb.missing() or ("" if shutil.which("php") else "php-cli is not installed"))
    with mariadb.server() as maria:
        site = build(maria.url("tenantry"))
        command = ["mariadb", f"--socket={maria.socket}", "--user=root", "tenantry"]
        subprocess.run(command, stdin=GRANTS.open("rb"), check=True, timeout=60)
        with maria.root() as cursor:
            cursor.execute("ALTER USER billing@'%%' IDENTIFIED BY %s", (BILLING,))
        site.start()
        key = site.tenantry("keys", "show-public").stdout
        made = Company(Whmcs(params(maria.port, BILLING, key, FIRST)), maria, site)
        assert made.whmcs.call("TestConnection") == {"success": True, "error": ""}
        assert made.whmcs.call("CreateAccount") == "success"
        site.await_service(1001)
        made.settled()
        yield made
        site.end()


@pytest.fixture(scope="module")
def customer(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """Return a customer with an SFTP login that has the account's password."""
    company.insert("web.sftp_present", {"name": "up"})
    company.settled()
    folder: Path = tmp_path_factory.mktemp("customer")
    return Customer(folder, world.address(company.site, "web1"), company.site.lab.known_hosts, LOGIN)


def may_log_in(company: Company, password: str) -> bool:
    """Whether IMAP lets the account's first mailbox in."""
    return mail.may_log_in(world.address(company.site, "mail1"), BOX, password)


def page_of(company: Company) -> int:
    """Return the status with which the site answers."""
    return outside.page(world.address(company.site, "web1"), DOMAIN)[0]


def test_an_order_is_live(company: Company) -> None:
    assert page_of(company) == 200
    assert may_log_in(company, FIRST)
    assert outside.dig(world.address(company.site, "dns1"), DOMAIN, "A") != []
    area = company.whmcs.call("ClientArea")["templateVariables"]
    assert (area["status"], area["progress"]) == ("active", 100)
    assert company.site.json("reconcile") == []


def test_suspending_and_waking(company: Company) -> None:
    assert company.whmcs.call("SuspendAccount", suspendreason="unpaid") == "success"
    company.site.await_service(1001, "suspended")
    assert (page_of(company), may_log_in(company, FIRST)) == (503, False)
    assert "not possible" in company.whmcs.call("clientsync")
    assert company.whmcs.call("UnsuspendAccount") == "success"
    company.site.await_service(1001)
    assert (page_of(company), may_log_in(company, FIRST)) == (200, True)


def test_a_new_password_works_over_imap_and_sftp_and_the_old_one_no_more(company: Company, customer: Customer) -> None:
    worked, said = customer.sftp("pwd", password=FIRST)
    assert worked, said
    assert company.whmcs.call("ChangePassword", password=SECOND) == "success"
    company.settled()
    assert (may_log_in(company, SECOND), may_log_in(company, FIRST)) == (True, False)
    assert (customer.sftp("pwd", password=SECOND)[0], customer.sftp("pwd", password=FIRST)[0]) == (True, False)


def test_figures_equal_the_database_and_the_node(company: Company) -> None:
    access.on(company.site.lab, "web1", "sh", "-c", "head -c 3000000 /dev/urandom > /home/w1001/www/big.bin")
    for _ in range(3):
        outside.page(world.address(company.site, "web1"), DOMAIN, path="/big.bin")
    assert company.whmcs.call("syncusage") == "success"
    company.settled()
    stored = dict(company.rows("SELECT metric, value FROM tenantry.v_usage WHERE service_id = 1001"))
    assert stored["disk"] >= 3_000_000 and stored["bandwidth"] >= 9_000_000
    told = company.whmcs.call("figures")[DOMAIN]
    gigabyte = 2**30
    assert told["disk"] == ["snapshot", pytest.approx(stored["disk"] / gigabyte)]
    assert told["bandwidth"] == ["month", pytest.approx(stored["bandwidth"] / gigabyte)]
    assert told["mailboxes"] == ["snapshot", stored["mailboxes"]]
    (update,) = company.whmcs.answer("UsageUpdate")["updates"]
    assert update["values"]["diskusage"] == stored["disk"] // 2**20


def test_what_drifted_on_a_node_is_found_and_mended(company: Company) -> None:
    assert company.site.json("reconcile") == []
    access.on(company.site.lab, "web1", "rm", "/etc/nginx/tenantry/proxy/w1001.conf")
    (row,) = company.site.json("reconcile", "--apply")
    assert (row["service"], row["between"], row["action"]) == (1001, "nodes", "service.repair")
    assert "web.proxy_present" in row["found"]
    company.settled()
    assert company.site.json("reconcile") == []


def test_the_server_refuses_what_billing_may_not(company: Company) -> None:
    codes = dict(zip(FORBIDDEN, company.whmcs.refusals(FORBIDDEN), strict=True))
    assert {statement: code for statement, code in codes.items() if code not in _DENIED} == {}


def test_no_password_is_anywhere(company: Company) -> None:
    dump = ["mariadb-dump", f"--socket={company.maria.socket}", "--user=root", "--skip-extended-insert", "tenantry"]
    text = subprocess.run(dump, check=True, capture_output=True, timeout=120).stdout
    assert b"service.change_password" in text
    assert MARK not in text
    for path in company.site.folder.rglob("*"):
        assert not path.is_file() or MARK not in path.read_bytes(), path
    script = "grep -rlaF -e canary-7c1e /tmp /var/tmp /var/log /root /home /run /etc /var/lib/tenantry\n"
    for node in world.NODES:
        assert access.on(company.site.lab, node.name, "sh", stdin=script, check=False).stdout == "", node.name


def test_a_database_that_has_forgotten_catches_up_with_its_nodes(company: Company) -> None:
    ours, *nodes = company.site.json("fence", "show")
    assert [row["place"] for row in nodes] == sorted(node.name for node in world.NODES)
    assert all(0 < row["token"] <= ours["token"] and row["services"] == 1 for row in nodes), (ours, nodes)
    with company.maria.root() as cursor:  # as in a backup from just after the order
        cursor.execute("UPDATE tenantry.counters SET value = 20 WHERE name = 'fence'")
        cursor.execute("UPDATE tenantry.services SET generation = 1")
    assert company.whmcs.call("redeploy") == "success"
    company.site.await_service(1001, "failed")
    assert "overtaken" in str(company.rows("SELECT error FROM tenantry.v_tasks WHERE status = 'error'"))
    told = json.loads(company.site.tenantry("fence", "raise", "--json").stdout)
    assert (told["ahead"], told["unknown"], told["problems"]) == ([1001], [], [])
    assert told["token"] > ours["token"]
    (row,) = company.site.json("reconcile", "--apply")
    assert row["action"] == "service.redeploy"
    company.site.await_service(1001)
    assert page_of(company) == 200
    company.site.tenantry("task", "clean", "--status", "error")


def test_termination_removes_all(company: Company) -> None:
    assert company.whmcs.call("TerminateAccount") == "success"
    company.site.await_service(1001, "terminated")
    company.settled()
    assert page_of(company) != 200
    assert not may_log_in(company, SECOND)
    with pytest.raises(outside.Unproven, match="REFUSED"):  # the zone is not there any more
        outside.dig(world.address(company.site, "dns1"), DOMAIN, "A")
    assert access.on(company.site.lab, "web1", "id", "w1001", check=False).returncode != 0
    assert company.site.json("reconcile") == []
