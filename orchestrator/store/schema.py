"""Creates and upgrades the schema from the numbered files in orchestrator/migrations."""

from __future__ import annotations

import re
from importlib import resources
from string import Template

from orchestrator.core.errors import Unavailable
from orchestrator.models.base import database
from orchestrator.store.database import is_sqlite, transaction

# Other programs insert tasks: what the queue could not even read must never get in. The names are what they are shown.
_CHECKS = """,
    CONSTRAINT ${q}status must be one of the known words${q} CHECK (status IN
        ('waiting', 'queued', 'running', 'done', 'error', 'cancelled')),
    CONSTRAINT ${q}status waiting belongs to steps of an operation${q} CHECK
        (status <> 'waiting' OR operation_id IS NOT NULL)"""
# SQLite takes any value in any column; these refuse what MariaDB's types refuse by themselves.
_SQLITE_CHECKS = """,
    CONSTRAINT "action must be text" CHECK (typeof(action) = 'text'),
    CONSTRAINT "service_id must be a whole number" CHECK (typeof(service_id) IN ('integer', 'null')),
    CONSTRAINT "server_id must be a whole number" CHECK (typeof(server_id) IN ('integer', 'null')),
    CONSTRAINT "operation_id must be a whole number" CHECK (typeof(operation_id) IN ('integer', 'null')),
    CONSTRAINT "params must be JSON text" CHECK (typeof(params) = 'text'),
    CONSTRAINT "idempotency_key must be text" CHECK (typeof(idempotency_key) IN ('text', 'null')),
    CONSTRAINT "requested_by must be text" CHECK (typeof(requested_by) = 'text'),
    CONSTRAINT "priority must be a whole number" CHECK (typeof(priority) = 'integer'),
    CONSTRAINT "attempts must be a whole number" CHECK
        (typeof(attempts) = 'integer' AND typeof(unreachable) = 'integer' AND typeof(generation) = 'integer'),
    CONSTRAINT "cancel_requested must be 0 or 1" CHECK (cancel_requested IN (0, 1)),
    CONSTRAINT "run_after must be a UTC time as YYYY-MM-DD HH:MM:SS" CHECK (
        datetime(run_after) IS substr(run_after, 1, 19) AND substr(run_after, 12, 2) < '24'
        AND date(substr(run_after, 1, 10), '+0 days') IS substr(run_after, 1, 10) AND length(run_after) <= 26
        AND (length(run_after) = 19 OR substr(run_after, 20, 2) GLOB '.[0-9]')
        AND substr(run_after, 21) NOT GLOB '*[^0-9]*')"""
_MARIADB_CHECKS = """,
    CONSTRAINT `run_after must be a UTC time` CHECK (run_after >= '1970-01-01')"""

_SQLITE = {
    "task_checks": Template(_CHECKS).substitute(q='"') + _SQLITE_CHECKS,
    "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "bigserial": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "datetime": "DATETIME",
    "now": "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))",
    "json": "TEXT",
    "longtext": "TEXT",
    "empty_object": "'{}'",
    "insert_or_ignore": "INSERT OR IGNORE",
    "add_column": "ADD COLUMN",
    "table": "",
    "generated_lane": "GENERATED ALWAYS AS (COALESCE(server_id, 0) || ':' || COALESCE(service_id, 0)) STORED",
    "server_of_role": "p.role || '=' || n.name",
}
_MARIADB = {
    "task_checks": Template(_CHECKS).substitute(q="`") + _MARIADB_CHECKS,
    "serial": "INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "bigserial": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "datetime": "DATETIME(6)",
    "now": "(UTC_TIMESTAMP(6))",
    "json": "LONGTEXT",
    "longtext": "LONGTEXT",
    "empty_object": "('{}')",
    "insert_or_ignore": "INSERT IGNORE",
    "add_column": "ADD COLUMN IF NOT EXISTS",
    "table": " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "generated_lane": "AS (CONCAT(COALESCE(server_id, 0), ':', COALESCE(service_id, 0))) PERSISTENT",
    "server_of_role": "CONCAT(p.role, '=', n.name) ORDER BY p.role, n.name",
}


def migrations() -> dict[int, str]:
    """Return the text of every migration by its number."""
    folder = resources.files("orchestrator.migrations")
    found = {}
    for entry in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name):
            found[int(match[1])] = entry.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def upgrade() -> list[int]:
    """Apply the migrations that are missing and return their numbers; [] when there was nothing to do.

    Refuses a database that a newer version of the program has upgraded.
    """
    _ensure_ledger()
    applied = _applied()
    known = migrations()
    if applied and max(applied) > max(known):
        raise Unavailable(f"the database is at version {max(applied)}, this program knows {max(known)}; upgrade it")
    missing = [number for number in known if number not in applied]
    for number in missing:
        transaction(lambda number=number: _apply(number, known[number]))  # type: ignore[misc]
    return missing


def version() -> int:
    """Return the number of the newest migration applied, 0 for an empty database."""
    return max(_applied(), default=0) if database.table_exists("schema_migrations") else 0


def _ensure_ledger() -> None:
    words = _SQLITE if is_sqlite() else _MARIADB
    database.execute_sql(
        Template(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, "
            "applied_at ${datetime} NOT NULL DEFAULT ${now})${table}"
        ).substitute(words)
    )


def _applied() -> set[int]:
    return {row[0] for row in database.execute_sql("SELECT version FROM schema_migrations").fetchall()}


def _apply(number: int, text: str) -> None:
    """Run one migration.

    SQLite's is one transaction. MariaDB commits each statement, so a file can be resumed (IF NOT EXISTS).
    """
    if number in _applied():
        return  # another process was faster
    for statement in statements(text):
        database.execute_sql(statement.replace("%", "%%") if not is_sqlite() else statement)
    database.execute_sql(f"INSERT INTO schema_migrations (version) VALUES ({int(number)})")  # noqa: S608


def statements(text: str) -> list[str]:
    """Return the statements of a migration in this database's dialect, without comments."""
    words = _SQLITE if is_sqlite() else _MARIADB
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    filled = Template(plain).substitute(words)
    return [statement.strip() for statement in re.split(r";\s*(?:\n|$)", filled) if statement.strip()]
