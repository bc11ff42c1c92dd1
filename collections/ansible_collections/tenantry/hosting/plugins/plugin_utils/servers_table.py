# SPDX-License-Identifier: Apache-2.0
"""The servers table, read without a right to change it, and the grammar that its values have to pass."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sqlite3
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_STATUS = re.compile(r"[a-z]{1,16}")
_HOST_KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{40,2000}={0,2}")
_ROLES = frozenset(("web", "mail", "dns"))
_TAKEN = _ROLES | {"all", "ungrouped", "localhost"}  # words with a meaning of their own in an inventory
_COLUMNS = ("id", "name", "address", "port", "login", "roles", "status", "host_keys")
_SERVERS = (
    "SELECT id, name, address, port, login, roles, status, host_keys FROM servers WHERE status <> 'gone' ORDER BY name"
)
_GROUPS = (
    "SELECT group_members.server_id, server_groups.name FROM group_members "
    "JOIN server_groups ON server_groups.id = group_members.group_id ORDER BY server_groups.name"
)
_SECONDS = 10

Query = Callable[[str], Sequence[Sequence[Any]]]


class Unreadable(Exception):
    """The database cannot be read: what is wrong and what to do, without its password."""


class Unusable(Exception):
    """A row is not plainly a server."""


@dataclass(frozen=True)
class Server:
    """A row that passed."""

    id: int
    name: str
    address: str
    port: int
    login: str
    roles: tuple[str, ...]
    status: str
    host_keys: tuple[str, ...]

    def known_hosts(self) -> list[str]:
        """Return the lines by which ssh knows this server."""
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return [f"{name} {key}\n" for key in self.host_keys]


def read(url: str) -> tuple[list[dict[str, Any]], dict[int, list[str]]]:
    """Return the rows of all servers that are not gone, and the names of the groups by server. Raises Unreadable."""
    with _opened(url) as query:
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in query(_SERVERS)]
        groups: dict[int, list[str]] = {}
        for server_id, name in query(_GROUPS):
            if _NAME.fullmatch(str(name)):
                groups.setdefault(int(server_id), []).append(str(name))
    return rows, groups


def check(row: Mapping[str, Any]) -> Server:
    """Return the server of a row in canonical form. Raises Unusable, which names the server and the column."""
    shown = repr(str(row["name"])[:63])
    if not _NAME.fullmatch(str(row["name"])) or row["name"] in _TAKEN:
        raise Unusable(f"a server has the name {shown}, which is not usable")
    if type(row["port"]) is not int or not 0 < row["port"] < 65536:
        raise Unusable(f"server {shown}: the port is no TCP port")
    if not _LOGIN.fullmatch(str(row["login"])):
        raise Unusable(f"server {shown}: the login is not usable")
    roles = tuple(sorted(filter(None, str(row["roles"]).split(","))))
    if not set(roles) <= _ROLES or not _STATUS.fullmatch(str(row["status"])):
        raise Unusable(f"server {shown}: its roles or its status are not known")
    keys = tuple(str(row["host_keys"]).splitlines())
    if not all(_HOST_KEY.fullmatch(key) for key in keys):
        raise Unusable(f"server {shown}: a host key is none")
    address = _address(str(row["address"]), shown)
    return Server(int(row["id"]), row["name"], address, row["port"], row["login"], roles, row["status"], keys)


def _address(text: str, shown: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        labels = text.split(".")
    if len(text) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unusable(f"server {shown}: the address is neither an IP address nor a host name")
    return text


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Query]:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        opened = _sqlite(url.removeprefix("sqlite:///"))
    elif scheme in ("mysql", "mariadb"):
        opened = _mariadb(url)
    else:
        raise Unreadable(
            "TENANTRY_DATABASE_URL has an unknown scheme; use sqlite:///file or mysql://user:password@host/name"
        )
    with opened as query:
        yield query


@contextlib.contextmanager
def _sqlite(path: str) -> Iterator[Query]:
    if not os.path.isfile(path):
        raise Unreadable(f"there is no database {path}; run `tenantry init` or set TENANTRY_DATABASE_URL")
    try:
        uri = f"file:{quote(os.path.abspath(path))}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            yield lambda statement: connection.execute(statement).fetchall()
    except sqlite3.Error as error:
        raise Unreadable(f"{path} cannot be read ({error}); run `tenantry init`") from None


@contextlib.contextmanager
def _mariadb(url: str) -> Iterator[Query]:
    try:
        import pymysql  # only where MariaDB is used
    except ImportError:
        raise Unreadable("the Python package pymysql is not installed here") from None
    parts = urlsplit(url)
    try:
        roots = dict(parse_qsl(parts.query)).get("ssl_ca", "")  # as the orchestrator reads it
        tls = ssl.create_default_context(cafile=None if roots == "system" else roots) if roots else None
        connection = pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.strip("/"),
            ssl=tls,
            charset="utf8mb4",
            connect_timeout=_SECONDS,
            read_timeout=_SECONDS,
            init_command="SET SESSION TRANSACTION READ ONLY",
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            yield lambda statement: _all(cursor, statement)
    except (pymysql.MySQLError, ValueError, OSError) as error:
        where = f"{parts.hostname}{parts.path}"
        raise Unreadable(
            f"the database at {where} cannot be read ({_code(error)}); check that it runs, and run `tenantry init`"
        ) from None


def _all(cursor: Any, statement: str) -> Sequence[Sequence[Any]]:
    cursor.execute(statement)
    return list(cursor.fetchall())


def _code(error: Exception) -> str:
    """Return the number of a MariaDB error; its text may quote the user."""
    return f"error {error.args[0]}" if error.args and isinstance(error.args[0], int) else type(error).__name__
