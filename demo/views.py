"""Reads the database directly, as a billing system does: starting a command for every look would cost most of a core."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

_SECONDS = 20
Row = tuple[Any, ...]


def read(url: str, statement: str, *values: Any) -> list[Row]:
    """Return the rows of a statement with ``?`` for each value."""
    if url.startswith("sqlite:///"):
        file = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=_SECONDS)) as connection:
            return connection.execute(statement, values).fetchall()
    with closing(_mariadb(url)) as server, closing(server.cursor()) as cursor:
        cursor.execute(statement.replace("?", "%s"), values)
        return list(cursor.fetchall())


def _mariadb(url: str) -> pymysql.connections.Connection[Any]:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
        connect_timeout=_SECONDS,
        read_timeout=_SECONDS,
    )
