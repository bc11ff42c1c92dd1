"""What the database says of itself, for `tenantry doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from peewee import OperationalError, ProgrammingError

from orchestrator.models.base import database
from orchestrator.plan import grants
from orchestrator.plan.grants import Right

_DENIED = frozenset({1044, 1142, 1143, 1227})
_TABLES = ("tables_priv", "columns_priv", "db")


@dataclass(frozen=True, kw_only=True)
class Server:
    """How MariaDB is set up, and our connection to it."""

    version: str
    isolation: str
    time_zone: str
    flush_at_commit: int  # 1: a commit is on disk when it is answered
    cipher: str  # of our connection; empty: no TLS
    maximum_connections: int


def server() -> Server:
    """Return what MariaDB says of itself and of our connection."""
    query = (
        "SELECT VERSION(), @@tx_isolation, @@time_zone, @@innodb_flush_log_at_trx_commit, @@max_connections, "
        "(SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER')"
    )
    version, isolation, zone, flush, connections, cipher = _rows(query)[0]
    return Server(
        version=str(version),
        isolation=str(isolation),
        time_zone=str(zone),
        flush_at_commit=int(flush),
        cipher=str(cipher or ""),
        maximum_connections=int(connections),
    )


def billing_rights(name: str) -> dict[str, frozenset[Right]] | None:
    """Return the rights of every account but ours that may reach this database; None when ours may not look."""
    try:
        accounts = sorted({row for table in _TABLES for row in _accounts(table)})
        return {f"{user}@{host}": _of(user, host, name) for user, host in accounts}
    except (OperationalError, ProgrammingError) as error:
        if error.args and error.args[0] in _DENIED:
            return None
        raise


def _accounts(table: str) -> list[tuple[str, str]]:
    query = (
        f"SELECT DISTINCT User, Host FROM mysql.{table} "  # noqa: S608 - one of three constants
        "WHERE DATABASE() LIKE Db AND CONCAT(User, '@', Host) <> CURRENT_USER()"
    )
    return [(str(user), str(host)) for user, host in _rows(query)]


def _of(user: str, host: str, name: str) -> frozenset[Right]:
    lines = [str(line) for (line,) in _rows("SHOW GRANTS FOR %s@%s", user, host)]
    return grants.parse(lines, name)


def current_account() -> str:
    """Return the account that the server knows us as: user@host."""
    return str(_rows("SELECT CURRENT_USER()")[0][0])


def wanted_rights(name: str) -> frozenset[Right]:
    """Return what grants.sql gives a billing user in the database ``name``."""
    text = resources.files("orchestrator.migrations").joinpath("grants.sql").read_text(encoding="utf-8")
    return grants.parse(grants.statements(text), name)


def _rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    return list(database.execute_sql(query, values or None).fetchall())
