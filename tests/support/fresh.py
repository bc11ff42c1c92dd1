"""Databases as the migrations leave them. The schema is made once a run: on MariaDB it takes longer than most tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql

from tests.support.mariadb import MariaServer

Upgrade = Callable[[str], None]  # gives the database of a URL the schema, and lets it go
Cursor = pymysql.cursors.Cursor
_SHAPE = (
    "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2"
)
_TABLES = "SELECT table_name, auto_increment FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"


class FreshSqlite:
    """Copies of one file."""

    def __init__(self, template: Path, upgrade: Upgrade) -> None:
        self._template = template
        upgrade(f"sqlite:///{template}")

    def url(self, path: Path) -> str:
        """Make a database at ``path`` and return its URL."""
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"


class FreshMaria:
    """One database that is put back: rows, and the counters of its keys. It is made anew when somebody altered a table."""

    def __init__(self, server: MariaServer, name: str, upgrade: Upgrade) -> None:
        self._server, self._name, self._upgrade = server, name, upgrade
        self._url = ""
        self._shape: tuple[Any, ...] = ()
        self._rows: dict[str, tuple[tuple[Any, ...], ...]] = {}

    def url(self) -> str:
        """Return the URL of the database as the migrations leave it."""
        with self._server.root() as cursor:
            if self._url and self._read(cursor, _SHAPE) == self._shape:
                self._put_back(cursor)
                return self._url
        self._make()
        return self._url

    def _make(self) -> None:
        self._url = self._server.url(self._name)
        self._upgrade(self._url)
        with self._server.root() as cursor:
            self._shape = self._read(cursor, _SHAPE)
            self._rows = {table: self._read(cursor, self._all(table)) for table, _ in self._read(cursor, _TABLES)}

    def _put_back(self, cursor: Cursor) -> None:
        cursor.execute("SET foreign_key_checks = 0")
        for table, counter in self._read(cursor, _TABLES):
            if self._read(cursor, self._all(table)) != self._rows[table]:
                cursor.execute(f"DELETE FROM {self._name}.{table}")
                for row in self._rows[table]:
                    cursor.execute(f"INSERT INTO {self._name}.{table} VALUES ({', '.join(['%s'] * len(row))})", row)
            if (counter or 1) > len(self._rows[table]) + 1:
                cursor.execute(f"ALTER TABLE {self._name}.{table} AUTO_INCREMENT = 1")

    def _all(self, table: str) -> str:
        return f"SELECT * FROM {self._name}.{table}"

    def _read(self, cursor: Cursor, statement: str) -> tuple[tuple[Any, ...], ...]:
        cursor.execute(statement, (self._name,) if "%s" in statement else None)
        return tuple(cursor.fetchall())
