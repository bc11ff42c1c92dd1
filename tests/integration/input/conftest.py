"""A queue that gets rows from other programs: inserted by plain SQL over a connection of their own."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pymysql


class Raw(str):
    """An SQL expression instead of a value."""


Insert = Callable[[dict[str, Any]], int | str]


def inserter(url: str) -> Insert:
    """Return what inserts a task as another program does: the row's id, or the database's words when it refuses."""
    return _mariadb(url) if url.startswith("mysql") else _sqlite(url)


def _sql(values: dict[str, Any], mark: str) -> tuple[str, list[Any]]:
    places = [str(value) if isinstance(value, Raw) else mark for value in values.values()]
    bound = [value for value in values.values() if not isinstance(value, Raw)]
    return f"INSERT INTO tasks ({', '.join(values)}) VALUES ({', '.join(places)})", bound


def _sqlite(url: str) -> Insert:
    path = url.removeprefix("sqlite:///")

    def insert(values: dict[str, Any]) -> int | str:
        with sqlite3.connect(path, timeout=20) as connection:
            try:
                return int(connection.execute(*_sql(values, "?")).lastrowid or 0)
            except sqlite3.Error as error:
                return str(error)

    return insert


def _mariadb(url: str) -> Insert:
    parts = urlsplit(url)

    def insert(values: dict[str, Any]) -> int | str:
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port or 0,
            user=parts.username,
            password=parts.password or "",
            database=parts.path[1:],
            charset="utf8mb4",
            autocommit=True,
            max_allowed_packet=64 * 1024 * 1024,
        )
        with connection, connection.cursor() as cursor:
            try:
                cursor.execute(*_sql(values, "%s"))
                return int(cursor.lastrowid)
            except (pymysql.Error, UnicodeError) as error:
                return str(error)

    return insert


def nested(depth: int) -> str:
    """Return a JSON object that is nested this deep."""
    return '{"domain":' + "[" * depth + "]" * depth + "}"


assert sys.getrecursionlimit() < 10_000, "a document of depth 10,000 must be deeper than the interpreter goes"
