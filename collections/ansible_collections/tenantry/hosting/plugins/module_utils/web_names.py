# SPDX-License-Identifier: Apache-2.0
"""The grammar of what only web steps accept; what all areas share stands in ``grammar``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import domain, refuse, shown, whole

_USERNAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_VERSION = re.compile(r"[5-9]\.[0-9]")
_FOLDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_FUNCTION = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_SUFFIX = re.compile(r"[a-z0-9][a-z0-9_]*")
_JOB = re.compile(r"[a-z0-9-]{1,32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DATABASE_HASH = re.compile(r"\*[0-9A-Fa-f]{40}")
_UPSTREAM = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost):([1-9][0-9]{3,4})/?")

DATABASE_MAXIMUM = 64  # characters of a name in MariaDB
COMMAND_MAXIMUM = 4000  # characters of a cron job's command
LOGIN_MAXIMUM = 32  # characters of a user's name in Linux
NAMES_MAXIMUM = 100  # of one site; a certificate holds no more
PAGE_MAXIMUM = 64 * 1024  # bytes
UID_LOW, UID_HIGH = 10_000, 2_000_000_000  # below it are the system and people who log in
_UID_RESERVED = range(60_000, 65_536)  # Debian Policy 9.2.2 and systemd's dynamic users


def username(value: str, field: str = "username") -> str:
    """Return the name of an account's UNIX user."""
    if not _USERNAME.fullmatch(value):
        raise refuse(field, f"{shown(value)} is not usable", "use 2-31 of a-z and 0-9, a letter first")
    return value


def uid(value: int, field: str = "uid") -> int:
    """Return the number of an account's UNIX user: never one of the system's own."""
    if value in _UID_RESERVED:
        raise refuse(field, "%d is reserved by the system" % value, "give one outside 60000-65535")
    return whole(value, field, UID_LOW, UID_HIGH)


def site_names(primary: str, given: Sequence[str]) -> list[str]:
    """Return the names of a site: its domain first, then the others in the order given, none twice."""
    names = list(dict.fromkeys([domain(primary), *(domain(name, "names") for name in given)]))
    if len(names) > NAMES_MAXIMUM:
        raise refuse("names", "%d names are too many" % len(names), "give at most %d" % NAMES_MAXIMUM)
    return names


def document_root(value: str, field: str = "document_root") -> str:
    """Return a folder below the account's home: www or one inside it."""
    parts = value.split("/")
    if parts[0] != "www" or len(parts) > 9 or not all(_FOLDER.fullmatch(part) for part in parts):
        raise refuse(field, f"{shown(value)} is not usable", "give www or a folder in it such as www/public")
    return value


def php_version(value: str, field: str = "version") -> str:
    """Return a PHP version such as 8.2."""
    if not _VERSION.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no PHP version", "give one such as 8.2")
    return value


def php_functions(values: Sequence[str], field: str = "disabled_functions") -> list[str]:
    """Return names of PHP functions."""
    for value in values:
        if not _FUNCTION.fullmatch(value):
            raise refuse(field, f"{shown(value)} is no function name", "give names such as exec")
    return list(values)


def upstream(value: str | None, field: str = "upstream") -> tuple[str, int]:
    """Return (host, port) of a program of the account on this node's own loopback, above the system's ports."""
    found = _UPSTREAM.fullmatch(value or "")
    if not found or not 1024 <= int(found[2]) <= 65535:
        remedy = "give http://127.0.0.1:PORT or http://[::1]:PORT with a port of 1024 to 65535"
        raise refuse(field, f"{shown(value or '')} is not usable", remedy)
    return ("127.0.0.1" if found[1] == "localhost" else found[1]), int(found[2])


def database(value: str, username: str, field: str = "name") -> str:
    """Return the name of a database and its user: the account's name, an underscore and more."""
    return _below(value, username, field, DATABASE_MAXIMUM)


def login(value: str, username: str, field: str = "name") -> str:
    """Return the name of an SFTP login: the account's name, an underscore and more."""
    return _below(value, username, field, LOGIN_MAXIMUM)


def _below(value: str, username: str, field: str, maximum: int) -> str:
    start, suffix = f"{username}_", value[len(username) + 1 :]
    if not value.startswith(start) or len(value) > maximum or not _SUFFIX.fullmatch(suffix):
        remedy = "give %s and a-z, 0-9 or _, at most %d characters in all" % (start, maximum)
        raise refuse(field, f"{shown(value)} is not usable", remedy)
    return value


def database_hash(value: str, field: str = "password_hash") -> str:
    """Return a hash of mysql_native_password as MariaDB shows it."""
    if not _DATABASE_HASH.fullmatch(value):
        raise refuse(field, "it is no hash of mysql_native_password", "give * and 40 hexadecimal digits")
    return value.upper()


def page(value: str, field: str = "page") -> str:
    """Return a page of HTML: any text, of a size that is one."""
    if not value.strip() or "\0" in value or len(value.encode("utf-8", "replace")) > PAGE_MAXIMUM:
        raise refuse(field, "it is empty, too large or no text", "give HTML of at most %d bytes" % PAGE_MAXIMUM)
    return value


def folder(value: str, field: str = "folder") -> str:
    """Return a folder below the account's home."""
    parts = value.split("/")
    if len(parts) > 9 or not all(_FOLDER.fullmatch(part) for part in parts):
        raise refuse(field, f"{shown(value)} is not usable", "give a folder below the home such as www/blog")
    return value


def job(value: str, field: str = "name") -> str:
    """Return the name of a cron job."""
    if not _JOB.fullmatch(value):
        raise refuse(field, f"{shown(value)} is not usable", "use 1-32 of a-z, 0-9 and -")
    return value


def command(value: str, field: str = "command") -> str:
    """Return a cron job's command: one line that a shell will read, whatever it says."""
    if not value.strip() or len(value) > COMMAND_MAXIMUM or _CONTROL.search(value):
        raise refuse(field, "it is not one line of text", "give one line of at most %d characters" % COMMAND_MAXIMUM)
    return value
