"""The billing system's account on MariaDB: what it may do works, everything else is refused by the database."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pymysql
import pytest

from orchestrator.config.settings import PROJECT_ROOT
from tests.conftest import require
from tests.integration.conftest import opened
from tests.integration.queue.test_order import order
from tests.support import fleet, mariadb

GRANTS = PROJECT_ROOT / "orchestrator" / "migrations" / "grants.sql"
_DENIED = {1044, 1142, 1143, 1227, 1370}

ALLOWED = (
    "INSERT INTO tasks (action, service_id, params) VALUES ('service.redeploy', 1, '{}')",
    "INSERT INTO tasks (action, service_id, params, idempotency_key, requested_by, priority, run_after) "
    "VALUES ('service.redeploy', 1, '{}', 'key-1', 'whmcs:7', 50, UTC_TIMESTAMP(6))",
    "SELECT id, status, error FROM tasks WHERE service_id = 1",
    "SELECT id, status FROM tasks WHERE idempotency_key = 'key-1'",
    "UPDATE tasks SET cancel_requested = 1 WHERE id = 1",
    "SELECT id, domain, status, mode, error, servers, updated_at FROM v_services",
    "SELECT * FROM v_tasks",
    "SELECT operation_id, service_id, step, server, status, attempts, started_at, finished_at, error FROM v_timeline",
    "SELECT service_id, metric, value, unit, period, collected_at FROM v_usage",
    "SELECT * FROM v_certificates",
)
FORBIDDEN = (
    "INSERT INTO tasks (action, status) VALUES ('service.redeploy', 'done')",
    "INSERT INTO tasks (action, server_id) VALUES ('web.user_present', 1)",
    "INSERT INTO tasks (action, operation_id) VALUES ('web.user_present', 1)",
    "INSERT INTO tasks (action, lease_owner) VALUES ('service.redeploy', 'me')",
    "INSERT INTO tasks (action, attempts) VALUES ('service.redeploy', -100)",
    "UPDATE tasks SET status = 'done'",
    "UPDATE tasks SET params = '{}'",
    "UPDATE tasks SET priority = 0",
    "UPDATE tasks SET lease_token = NULL",
    "SELECT params FROM tasks",
    "SELECT result FROM tasks",
    "SELECT lease_owner FROM tasks",
    "SELECT * FROM tasks",
    "DELETE FROM tasks",
    "TRUNCATE tasks",
    "SELECT * FROM services",
    "SELECT password_hash FROM mailboxes",
    "SELECT * FROM servers",
    "INSERT INTO servers (name, address, roles, host_keys) VALUES ('x', 'x', 'web', '')",
    "UPDATE services SET status = 'active'",
    "UPDATE v_services SET status = 'active'",
    "UPDATE v_tasks SET status = 'done'",
    "SELECT * FROM operation_log",
    "SELECT * FROM settings",
    "UPDATE settings SET value = '1'",
    "UPDATE counters SET value = 0",
    "DROP VIEW v_services",
    "DROP TABLE tasks",
    "CREATE TABLE mine (id INTEGER)",
    "ALTER TABLE tasks ADD COLUMN mine INTEGER",
    "CREATE TRIGGER t BEFORE INSERT ON tasks FOR EACH ROW SET NEW.action = 'x'",
    "GRANT SELECT ON tasks TO somebody@'%'",
    "CREATE USER somebody@'%'",
    "SELECT * FROM mysql.user",
    "SELECT LOAD_FILE('/etc/passwd') FROM v_services INTO OUTFILE '/tmp/x'",
)


@pytest.fixture(scope="module")
def billing() -> Iterator[pymysql.Connection]:
    """Yield a connection of the billing account, made by the file that is shipped."""
    require(mariadb.missing())
    with mariadb.server() as server, opened(server.url("granted")):
        fleet.build()
        order(1)
        for _ in range(2):  # harmless when it is run again
            command = ["mariadb", f"--socket={server.socket}", "--user=root", "granted"]
            subprocess.run(command, stdin=GRANTS.open("rb"), check=True, timeout=60)
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(host="127.0.0.1", port=server.port, user="billing", password="", database="granted")
        with server.root() as cursor:
            cursor.execute("ALTER USER billing@'%' IDENTIFIED BY 'test'")
        connection = pymysql.connect(
            host="127.0.0.1", port=server.port, user="billing", password="test", database="granted", autocommit=True
        )
        with connection:
            yield connection


@pytest.mark.mariadb
@pytest.mark.parametrize("statement", ALLOWED)
def test_what_a_billing_system_needs_works(statement: str, billing: pymysql.Connection) -> None:
    with billing.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.mariadb
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_everything_else_is_refused(statement: str, billing: pymysql.Connection) -> None:
    with billing.cursor() as cursor, pytest.raises(pymysql.Error) as refusal:
        cursor.execute(statement)
    assert refusal.value.args[0] in _DENIED, refusal.value


@pytest.mark.mariadb
def test_an_idempotency_key_counts_once(billing: pymysql.Connection) -> None:
    statement = "INSERT INTO tasks (action, idempotency_key) VALUES ('service.redeploy', 'twice')"
    with billing.cursor() as cursor:
        cursor.execute(statement)
        with pytest.raises(pymysql.err.IntegrityError):
            cursor.execute(statement)
