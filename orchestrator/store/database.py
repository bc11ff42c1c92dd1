"""Connecting, transactions that may be replayed, and the database's own clock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from peewee import SQL, Database, InterfaceError, MySQLDatabase, OperationalError, SqliteDatabase
from playhouse.pool import PooledMySQLDatabase
from playhouse.shortcuts import ReconnectMixin

from orchestrator.config import database_url
from orchestrator.core.errors import InvalidInput, Unavailable
from orchestrator.models.base import database

T = TypeVar("T")

# Whole transactions that lost a race may be replayed: deadlock, lock wait, changed snapshot (MariaDB 11.6.2 and later).
_REPLAY_CODES = frozenset({1213, 1205, 1020})
_GONE_CODES = frozenset({0, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 4031, 1927, 1053, 1040, 1203})
_REFUSED_CODES = frozenset({1044, 1045, 1049, 1142, 1698})  # account or database: a person has to correct something
_NO_TLS = 2026  # the server speaks none
_FULL_CODES = frozenset({1021, 1114, 1290, 1836, 3})
_FULL_TEXTS = ("disk is full", "disk I/O error", "readonly database")
_REPLAYS = 8


class EmbeddedDatabase(SqliteDatabase):
    """SQLite that survives a row in which another program wrote bytes that are no UTF-8."""

    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc] # Peewee's documented hook has no published type
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        return connection


class MariaDatabase(ReconnectMixin, PooledMySQLDatabase):  # type: ignore[misc]
    """MariaDB that reconnects between transactions when the server was restarted."""


def connect(url: str) -> Database:
    """Open the database of ``url`` and bind the models to it; InvalidInput names what is wrong with the URL."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        opened: Database = _sqlite(url.removeprefix("sqlite:///"))
    elif parts.scheme in ("mysql", "mariadb"):
        opened = _mariadb(url)
    else:
        raise InvalidInput(
            "TENANTRY_DATABASE_URL", "has an unknown scheme", "use sqlite:///file or mysql://user:password@host/db"
        )
    database.initialize(opened)
    return opened


def _sqlite(path: str) -> SqliteDatabase:
    if not path:
        raise InvalidInput("TENANTRY_DATABASE_URL", "names no file", "use sqlite:///tenantry.db")
    pragmas = {"journal_mode": "wal", "synchronous": "normal", "foreign_keys": 1, "busy_timeout": 20_000}
    return EmbeddedDatabase(path, pragmas=pragmas, timeout=20)


def _mariadb(url: str) -> MySQLDatabase:
    place = database_url.read(url)
    return MariaDatabase(  # type: ignore[no-untyped-call]
        place.name,
        host=place.host,
        port=place.port,
        user=place.user,
        password=place.password,
        ssl=place.context(),
        ssl_disabled=place.is_without_tls,
        charset="utf8mb4",
        connect_timeout=10,
        read_timeout=60,
        write_timeout=60,
        # Under the default REPEATABLE READ a claim with SKIP LOCKED convoys behind other claims' snapshots.
        init_command="SET tx_isolation = 'READ-COMMITTED', time_zone = '+00:00', "
        "sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10",
        max_connections=64,
        stale_timeout=300,
    )


@contextmanager
def session() -> Iterator[None]:
    """Hold this thread's connection for a stretch of queries and give it back afterwards.

    Raises Unavailable when the database cannot be reached.
    """
    opened = database.is_closed()
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise explained(error) from error
    finally:
        if opened and not database.is_closed():
            database.close()


def patiently(work: Callable[[], T], give_up: Callable[[], bool]) -> T:
    """Run ``work`` with a connection until the database answers; raises Unavailable when ``give_up`` says so."""
    pause = 0.2
    while True:
        try:
            with session():
                return work()
        except Unavailable:
            if give_up():
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)


def locked(query: Any) -> Any:
    """Return the select with its rows locked to the transaction's end; SQLite's IMMEDIATE has locked all already."""
    return query if is_sqlite() else query.for_update()


def is_sqlite() -> bool:
    """True for the embedded database."""
    return isinstance(database.obj, SqliteDatabase)


def now_sql() -> SQL:
    """The database's clock as an SQL expression: leases compare with this clock only."""
    return SQL("strftime('%Y-%m-%d %H:%M:%f000', 'now')" if is_sqlite() else "UTC_TIMESTAMP(6)")


def database_now() -> datetime:
    """Return the database's current time."""
    text = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')" if is_sqlite() else "SELECT UTC_TIMESTAMP(6)"
    value = database.execute_sql(text).fetchone()[0]
    moment = value if isinstance(value, datetime) else datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f")
    return moment.replace(tzinfo=UTC)


def up_seconds() -> float:
    """Return for how long the database has been answering; SQLite, which nobody has to start, for ever."""
    if is_sqlite():
        return float("inf")
    return float(database.execute_sql("SHOW GLOBAL STATUS LIKE 'Uptime'").fetchone()[1])


def transaction(work: Callable[[], T]) -> T:
    """Run ``work`` in one transaction and replay it as a whole when it lost a race.

    SQLite begins IMMEDIATE: a deferred transaction that reads and then writes fails at once under load. Raises
    Unavailable when the database cannot be reached.
    """
    for attempt in range(_REPLAYS):
        try:
            with _atomic():
                return work()
        except (OperationalError, InterfaceError) as error:
            if not _may_replay(error):
                raise explained(error) from error
        time.sleep(random.uniform(0.005, 0.05) * 2**attempt)  # noqa: S311 - jitter, not a secret
    raise Unavailable("the database was busy for too long; is another program holding a lock?")


def _atomic() -> Any:
    return database.atomic("IMMEDIATE") if is_sqlite() else database.atomic()


def _forget_connection() -> None:
    """Give up a connection that is dead; one inside a transaction is closed when that has ended."""
    if not database.is_closed() and not database.in_transaction():
        database.close()


def _is_about_tls(error: Exception) -> bool:
    return _code(error) == _NO_TLS or "CERTIFICATE_VERIFY_FAILED" in str(error) or "[SSL" in str(error)


def _code(error: Exception) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _may_replay(error: Exception) -> bool:
    return _code(error) in _REPLAY_CODES or "database is locked" in str(error)


def explained(error: Exception) -> Exception:
    """Return Unavailable with a remedy for what the database said when a person can act on it, else the error itself."""
    if _is_about_tls(error):
        return Unavailable(
            f"the database cannot be spoken to over TLS ({error}); check ssl_ca in TENANTRY_DATABASE_URL"
        )
    if _code(error) in _GONE_CODES or isinstance(error, InterfaceError):
        _forget_connection()
        return Unavailable(f"the database does not answer ({error}); check TENANTRY_DATABASE_URL and that it runs")
    if _code(error) in _REFUSED_CODES:
        return Unavailable(f"the database refuses us ({error}); check the account in TENANTRY_DATABASE_URL")
    if _code(error) in _FULL_CODES or any(text in str(error) for text in _FULL_TEXTS):
        return Unavailable(f"the database cannot write ({error}); check its disk and that it is not read-only")
    if _may_replay(error):
        return Unavailable("the database was busy for too long; is another program holding a lock?")
    if "unable to open database file" in str(error):
        return Unavailable("the database file cannot be opened; check the folder in TENANTRY_DATABASE_URL")
    if "no such table" in str(error) or "no such column" in str(error) or _code(error) in (1146, 1054):
        return Unavailable("the database has not all tables yet; run `tenantry init`")
    return error
