# SPDX-License-Identifier: Apache-2.0
"""The lookup tables of Postfix and Dovecot: two SQLite files that change in one transaction and need no reload.

``routing.sqlite`` is readable by Postfix, ``accounts.sqlite``, which holds the password hashes, by Dovecot only. (Two files,
since Postfix's daemons keep their primary group alone.) Readers have no write access, so the journal is a rollback
journal; a write-ahead log would need theirs. Both files are attached to one connection and commit together: SQLite's
super-journal makes that atomic even when the machine loses power in between.

A reader meets a lock only while a commit is written, some milliseconds; both daemons answer a temporary error then, and
after a crash until the next writer (or the unit that runs before them at boot) has rolled the half commit back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

SCHEMA_VERSION = 2
BUSY_SECONDS = 20.0
FILES = {"routing": "postfix", "accounts": "dovecot"}  # and the group that reads it

SCHEMA = {
    "routing": """
        CREATE TABLE domains (
            domain TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, quota_mb INTEGER NOT NULL,
            mailboxes INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1, dkim_selector TEXT
        ) WITHOUT ROWID;
        CREATE TABLE mailboxes (
            address TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL, owner TEXT NOT NULL,
            active INTEGER NOT NULL DEFAULT 1
        ) WITHOUT ROWID;
        CREATE INDEX mailboxes_domain ON mailboxes (domain, owner);
        CREATE TABLE aliases (
            address TEXT NOT NULL, destination TEXT NOT NULL, domain TEXT NOT NULL, owner TEXT NOT NULL,
            active INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (address, destination)
        ) WITHOUT ROWID;
        CREATE INDEX aliases_domain ON aliases (domain, owner);
        CREATE TABLE suspensions (
            owner TEXT NOT NULL PRIMARY KEY, policy TEXT NOT NULL, held TEXT NOT NULL DEFAULT ''
        ) WITHOUT ROWID;
    """,
    "accounts": """
        CREATE TABLE domains (
            domain TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, quota_mb INTEGER NOT NULL, moved_from TEXT
        ) WITHOUT ROWID;
        CREATE TABLE accounts (
            address TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL, local_part TEXT NOT NULL, owner TEXT NOT NULL,
            password_hash TEXT NOT NULL, quota_mb INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1,
            display_name TEXT NOT NULL DEFAULT ''
        ) WITHOUT ROWID;
        CREATE INDEX accounts_domain ON accounts (domain);
        CREATE TABLE suspensions (owner TEXT NOT NULL PRIMARY KEY, policy TEXT NOT NULL) WITHOUT ROWID;
    """,
}
# What leads from a version to the next one; the result is what SCHEMA makes.
_UPGRADES = {
    1: {
        "routing": """
            CREATE TABLE suspensions (
                owner TEXT NOT NULL PRIMARY KEY, policy TEXT NOT NULL, held TEXT NOT NULL DEFAULT ''
            ) WITHOUT ROWID;
        """,
        "accounts": """
            ALTER TABLE domains ADD COLUMN moved_from TEXT;
            CREATE TABLE suspensions (owner TEXT NOT NULL PRIMARY KEY, policy TEXT NOT NULL) WITHOUT ROWID;
        """,
    },
}
_KEYS = {
    "main.domains": "domain",
    "main.mailboxes": "address",
    "accounts.domains": "domain",
    "accounts.accounts": "address",
    "main.suspensions": "owner",
    "accounts.suspensions": "owner",
}
_SECRET = "password_hash"
Row = dict[str, Any]


def path_of(directory: str, name: str) -> str:
    """Return the path of ``routing`` or ``accounts`` below the state directory."""
    return os.path.join(directory, name + ".sqlite")


def exists(directory: str) -> bool:
    """Whether the node's tables are there."""
    return all(os.path.isfile(path_of(directory, name)) for name in FILES)


@contextlib.contextmanager
def open_store(directory: str, read_only: bool) -> Iterator[Store]:
    """Yield the store; a node without tables has not been prepared for mail."""
    if not exists(directory):
        raise StepFailed("missing_software", f"no mail tables in {directory}; run server.prepare with the mail role")
    mode = "ro" if read_only else "rw"
    with translated_errors(directory), contextlib.closing(_connect(path_of(directory, "routing"), mode)) as connection:
        # The main database has to be a file: with :memory: the two would not commit as one.
        connection.execute("ATTACH DATABASE ? AS accounts", (_uri(path_of(directory, "accounts"), mode),))
        for name, schema in (("routing", "main"), ("accounts", "accounts")):
            check_version(name, connection.execute(f"PRAGMA {schema}.user_version").fetchone()[0])
        yield Store(connection, read_only)


def create(path: str, name: str) -> None:
    """Make one file with its schema; the caller renames it to where the daemons look."""
    with translated_errors(path), contextlib.closing(_connect(path, "rwc")) as connection:
        connection.executescript(
            "PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;"
            % (SCHEMA[name], SCHEMA_VERSION)
        )


def version_of(path: str) -> int:
    """Return the version of the schema that a file has."""
    with translated_errors(path), contextlib.closing(_connect(path, "ro")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(path: str, name: str) -> None:
    """Bring a file of an older version to ours, one transaction a version; a newer one is refused."""
    with translated_errors(path), contextlib.closing(_connect(path, "rw")) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        while version in _UPGRADES:
            connection.executescript(
                "BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;" % (_UPGRADES[version][name], version + 1)
            )
            version += 1
        check_version(name, version)


def recover(path: str, name: str) -> None:
    """Roll a half commit back and check that the file is whole and of our version."""
    with translated_errors(path), contextlib.closing(_connect(path, "rw")) as connection:
        check_version(name, connection.execute("PRAGMA user_version").fetchone()[0])
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StepFailed("config_broken", f"{path} is damaged ({verdict}); restore it or run the service's redeploy")


def check_version(name: str, version: int) -> None:
    """Refuse tables of another version of this collection."""
    if version != SCHEMA_VERSION:
        raise StepFailed(
            "config_broken",
            "%s.sqlite has version %d and this step knows %d; run server.prepare" % (name, version, SCHEMA_VERSION),
        )


def _connect(path: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(_uri(path, mode), uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _uri(path: str, mode: str) -> str:
    return f"file:{quote(path)}?mode={mode}"


@contextlib.contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Turn SQLite's errors into failures with a reason."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            raise StepFailed("busy", f"{what} is locked by another writer") from None
        if "full" in text:
            raise OSError(errno.ENOSPC, f"{what}: {text}") from None
        raise StepFailed("command", f"{what}: {text}") from None
    except sqlite3.DatabaseError as error:
        raise StepFailed("config_broken", f"{what}: {error}") from None


class Store:
    """The open tables. Changes are made inside ``transaction``."""

    def __init__(self, connection: sqlite3.Connection, read_only: bool) -> None:
        self._connection = connection
        self._read_only = read_only

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock of both files, so that what was compared is still true when it is written."""
        self._connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def row(self, table: str, key: str) -> Row | None:
        """Return one row by its key."""
        found = self._connection.execute(f"SELECT * FROM {table} WHERE {_KEYS[table]} = ?", (key,)).fetchone()
        return None if found is None else dict(found)

    def select(self, query: str, *values: Any) -> list[Row]:
        """Return the rows of a query that the caller wrote, with its values bound."""
        return [dict(row) for row in self._connection.execute(query, values).fetchall()]

    def run(self, statement: str, *values: Any) -> int:
        """Carry out a change that the caller wrote, with its values bound, and return how many rows it met."""
        return self._connection.execute(statement, values).rowcount

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        """Insert a row or set these columns of it."""
        key = _KEYS[table]
        columns = list(row)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
        self._connection.execute(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}".format(
                table, ", ".join(columns), ", ".join("?" * len(columns)), key, updates
            ),
            [row[name] for name in columns],
        )

    def restore(self, table: str, key: str, row: Row | None) -> None:
        """Put a row back as it was; None removes it."""
        self._connection.execute(f"DELETE FROM {table} WHERE {_KEYS[table]} = ?", (key,))
        if row is not None:
            self.put(table, row)


def name_of(row: Row) -> str:
    """Return how a row is called in a report."""
    return str(row.get("address") or row.get("domain") or row["owner"])


def differs(now: Row | None, wanted: Mapping[str, Any]) -> bool:
    """Whether a row has to be written."""
    return now is None or any(now[name] != value for name, value in wanted.items())


def shown(row: Mapping[str, Any] | None, secret_changed: str = "") -> str:
    """Return a row for --diff, one column a line, its password hash replaced."""
    if row is None:
        return ""
    lines = [
        "{} = {}".format(name, f"(secret{secret_changed})" if name == _SECRET else row[name]) for name in sorted(row)
    ]
    return "\n".join(lines) + "\n"
