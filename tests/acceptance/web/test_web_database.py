"""Databases of an account: its user reaches its own and nothing else, whatever was done to it by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged
from tests.support.web_objects import act, eventually, heals, marked_suspended, native_hash, told

pytestmark = pytest.mark.lab

NAME = "w1001_a"
PASSWORD = "first secret"
USER = f"database user {NAME}"
USERS = [f"{USER}@127.0.0.1", f"{USER}@localhost"]
PAGE = """<?php
mysqli_report(MYSQLI_REPORT_OFF);
foreach (['localhost', '127.0.0.1'] as $host) {
    $link = @mysqli_connect($host, 'w1001_a', '%s', 'w1001_a');
    if (!$link) { echo mysqli_connect_errno(), ' '; continue; }
    mysqli_query($link, 'CREATE TABLE IF NOT EXISTS t (a INT)');
    mysqli_query($link, 'INSERT INTO t VALUES (1)');
    echo mysqli_query($link, 'SELECT count(*) FROM t')->fetch_row()[0], ' ';
}
"""


def present(web: Web, *, check: bool = False, name: str = NAME, password: str = PASSWORD, owner: int = 0) -> RunResult:
    return act(web, "database_present", 1001, check=check, owner=owner, name=name, password_hash=native_hash(password))


def absent(web: Web, *, check: bool = False, name: str = NAME, owner: int = 0) -> RunResult:
    return act(web, "database_absent", 1001, check=check, owner=owner, name=name)


def sql(web: Web, statement: str) -> str:
    return web.run(f"mariadb -N -B -e {shlex.quote(statement)}", check=False)


def as_tenant(web: Web, statement: str, *, host: str = "localhost", password: str = PASSWORD, user: str = NAME) -> str:
    given = f"mariadb --no-defaults -N -B -h {host} -u {user} -e {shlex.quote(statement)} {user}"
    return web.run(f"MYSQL_PWD={shlex.quote(password)} {given} 2>&1 | tail -1", check=False).strip()


@pytest.fixture(scope="module", autouse=True)
def database(web: Web) -> Iterator[None]:
    """Give the account its database; once it is gone the node is as before."""
    before = web.tree()
    assert present(web).outcome is Outcome.CHANGED
    assert present(web).outcome is Outcome.OK
    yield
    assert absent(web).outcome in GOOD
    web.run("rm -f /home/w1001/www/db.php")
    assert unchanged(before, web.tree()) == []
    assert web.run("ls -d /var/lib/mysql/w1001*", check=False).startswith("ls: cannot access")


def test_php_works_with_it_by_socket_and_by_tcp(web: Web) -> None:
    sql(web, f"DROP TABLE IF EXISTS {NAME}.t")
    web.put(1001, "db.php", PAGE % PASSWORD)
    assert web.get("shop.test", "/db.php") == (200, "1 2 ")
    web.put(1001, "db.php", PAGE % "wrong")
    assert web.get("shop.test", "/db.php") == (200, "1045 1045 ")


def test_it_reaches_its_own_database_and_nothing_else(web: Web) -> None:
    # As a pattern w1001_a would fit w1001xa too: the underscore has to be escaped in the grant.
    sql(web, "CREATE DATABASE w1001xa; CREATE TABLE w1001xa.t (a INT)")
    try:
        assert as_tenant(web, "SELECT 1") == "1"
        for statement in (
            "SELECT * FROM w1001xa.t",
            "USE w1001xa",
            "SELECT * FROM mysql.global_priv",
            "CREATE DATABASE w1001_b",
            "CREATE USER evil@localhost",
            f"GRANT ALL ON {NAME}.* TO w1002_a@localhost",
            "SET GLOBAL event_scheduler = ON",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
        ):
            said = as_tenant(web, statement)
            assert said.startswith("ERROR"), (statement, said)
            assert "denied" in said or "not allowed" in said, said
        seen = as_tenant(web, "SELECT GROUP_CONCAT(SCHEMA_NAME SEPARATOR ' ') FROM information_schema.SCHEMATA").split()
        assert set(seen) == {"information_schema", NAME}
        assert as_tenant(web, "SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER <> 'w1001_a'") == "0"
    finally:
        sql(web, "DROP DATABASE w1001xa")


LOCAL, TCP = f"'{NAME}'@'localhost'", f"'{NAME}'@'127.0.0.1'"


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        ([f"DROP DATABASE {NAME}", f"CREATE USER '{NAME}'@'%' IDENTIFIED BY 'x'"], [f"database {NAME}", f"{USER}@%"]),
        ([f"DROP USER {LOCAL}", f"ALTER USER {TCP} IDENTIFIED BY 'other'"], USERS),
        ([f"ALTER USER {TCP} ACCOUNT LOCK"], USERS[:1]),
        ([f"ALTER USER {LOCAL} REQUIRE SSL WITH MAX_USER_CONNECTIONS 1"], USERS[1:]),
        ([f"GRANT SELECT ON *.* TO {LOCAL}", f"GRANT SELECT ON mysql.global_priv TO {TCP}"], USERS),
        ([f"GRANT ALL ON `w1001_a`.* TO {LOCAL}", f"GRANT GRANT OPTION ON `w1001\\_a`.* TO {TCP}"], USERS),
        ([f"REVOKE DELETE ON `w1001\\_a`.* FROM {TCP}"], USERS[:1]),
    ],
)
def test_what_was_changed_by_hand_is_told_and_put_right(web: Web, drift: list[str], expected: list[str]) -> None:
    assert sql(web, "; ".join(drift)) == ""
    heals(partial(present, web), expected)
    assert [as_tenant(web, "SELECT 1", host=host) for host in ("localhost", "127.0.0.1")] == ["1", "1"]


def test_tables_are_never_touched_and_a_new_password_counts(web: Web) -> None:
    sql(web, f"CREATE OR REPLACE TABLE {NAME}.kept (a INT); INSERT INTO {NAME}.kept VALUES (7)")
    result = present(web, password="second secret")
    assert (result.outcome, told(result)) == (Outcome.CHANGED, USERS)
    assert as_tenant(web, "SELECT a FROM kept", password="second secret") == "7"
    assert "denied" in as_tenant(web, "SELECT 1")
    shown = repr(result)
    assert present(web).outcome is Outcome.CHANGED
    assert native_hash("second secret") not in shown and native_hash(PASSWORD) not in shown
    assert "(new secret)" in shown


def test_a_name_that_is_somebody_elses_is_refused_and_not_removed(web: Web) -> None:
    sql(web, "CREATE DATABASE w1001_byhand")
    try:
        refused = present(web, name="w1001_byhand")
        assert (refused.outcome, refused.reason) == (Outcome.INVALID, "conflict")
        left = absent(web, name="w1001_byhand")
        assert (left.outcome, left.warnings[0][:10]) == (Outcome.OK, "left alone")
        assert "w1001_byhand" in sql(web, "SHOW DATABASES")
    finally:
        sql(web, "DROP DATABASE w1001_byhand")
    assert present(web, owner=1002).reason == "conflict"
    left = absent(web, owner=1002)
    assert (left.outcome, left.warnings) == (Outcome.OK, (f"left alone: the database {NAME} belongs to s1001",))
    assert as_tenant(web, "SELECT 1") == "1"


BAD = [
    ("w1002_a", native_hash("x")),
    ("w1001", native_hash("x")),
    ("w1001_", native_hash("x")),
    ("w1001_a`; DROP DATABASE w1002_a; --", native_hash("x")),
    (NAME, "secret"),
    (NAME, "*" + "0" * 40 + "'"),
]


def test_bad_input_is_refused(web: Web) -> None:
    with ThreadPoolExecutor(3) as pool:  # each as another service, so that none overtakes another
        runs = [
            pool.submit(act, web, "database_present", 1001, owner=3100 + number, name=name, password_hash=value)
            for number, (name, value) in enumerate(BAD)
        ]
    found = [(run.result().outcome, run.result().reason, "secret" in run.result().message) for run in runs]
    assert found == [(Outcome.INVALID, "invalid", False)] * len(BAD)


def test_while_the_account_is_suspended_it_is_made_and_mended_locked(web: Web) -> None:
    with marked_suspended(web, 1001):
        sql(web, f"DROP USER {LOCAL}")
        heals(partial(present, web), USERS)
        said = {as_tenant(web, "SELECT 1", host=host)[:10] for host in ("localhost", "127.0.0.1")}
        assert said == {"ERROR 4151"}  # the account is locked
    assert told(present(web)) == USERS
    assert as_tenant(web, "SELECT 1") == "1"


def test_removal_ends_what_holds_its_tables_and_takes_all_of_it(web: Web) -> None:
    sql(web, f"CREATE OR REPLACE TABLE {NAME}.t (a INT); INSERT INTO {NAME}.t VALUES (1)")
    hold = f"MYSQL_PWD='{PASSWORD}' mariadb --no-defaults -u {NAME} -e 'BEGIN; SELECT * FROM t FOR UPDATE; DO SLEEP(120)' {NAME}"
    web.run(f"setsid --fork sh -c {shlex.quote(hold)} >/dev/null 2>&1 </dev/null")
    count = f"SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = '{NAME}' AND STATE = 'User sleep'"
    eventually(lambda: sql(web, count).strip() == "1")
    rehearsed = absent(web, check=True)
    assert set(told(rehearsed)) >= {f"database {NAME}", *USERS}
    assert as_tenant(web, "SELECT 1") == "1"
    removed = absent(web)
    assert removed.outcome is Outcome.CHANGED, removed
    assert f"connections to {NAME}" in told(removed)
    assert sql(web, f"SELECT count(*) FROM mysql.global_priv WHERE User = '{NAME}'").strip() == "0"
    assert sql(web, f"SELECT count(*) FROM mysql.db WHERE User = '{NAME}'").strip() == "0"
    assert "No such file" in web.run(f"ls /var/lib/mysql/{NAME}", check=False)
    assert absent(web).outcome is Outcome.OK


def test_a_removal_that_died_is_completed(web: Web) -> None:
    for statement in (f"DROP USER {LOCAL}, {TCP}", f"DROP USER {LOCAL}, {TCP}; DROP DATABASE {NAME}"):
        present(web)
        sql(web, statement)
        assert absent(web).outcome is Outcome.CHANGED
        assert NAME not in sql(web, "SHOW DATABASES")
    assert absent(web).outcome is Outcome.OK
