# SPDX-License-Identifier: Apache-2.0
"""The grammar of every value a web step accepts, checked as a whole value before anything is touched.

``nginx -t`` is no filter: a name with a semicolon and a brace passes it. Only what these functions return reaches a path
or a configuration file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_USERNAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[5-9]\.[0-9]")
_FOLDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_FUNCTION = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_UPSTREAM = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost):([1-9][0-9]{3,4})/?")

DOMAIN_MAXIMUM = 253  # RFC 1035 section 3.1, in text form
NAMES_MAXIMUM = 100  # of one site; a certificate holds no more
UID_LOW, UID_HIGH = 10_000, 2_000_000_000  # below it are the system and people who log in
_UID_RESERVED = range(60_000, 65_536)  # Debian Policy 9.2.2 and systemd's dynamic users


def refuse(field: str, reason: str, remedy: str) -> StepFailed:
    """Return the failure for bad input: which field, what is wrong with it, what to do."""
    return StepFailed("invalid", f"{field}: {reason}; {remedy}", field=field)


def shown(value: str) -> str:
    """Return an unusable value in a form that is safe in a message."""
    return repr(value[:60])


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


def owner(value: str | None, field: str = "owner") -> str:
    """Return the label of the service that owns an object, s1001 for example; empty in a run by hand."""
    if value is None or value == "":
        return ""
    if not _OWNER.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no owner", "use a-z, 0-9, _ and -, a letter first")
    return value


def domain(value: str, field: str = "domain") -> str:
    """Return a domain in A-label form: lower case, two labels or more, the last one not a number."""
    labels = value.split(".")
    if len(value) > DOMAIN_MAXIMUM or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refuse(field, f"{shown(value)} is no domain name", "give lower-case A-labels such as shop.example")
    if labels[-1].isdigit():
        raise refuse(field, f"{shown(value)} is an address", "give a name such as shop.example")
    return value


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


def whole(value: int, field: str, low: int, high: int) -> int:
    """Return a number within its bounds."""
    if not low <= value <= high:
        raise refuse(field, "%d is out of bounds" % value, "give %d to %d" % (low, high))
    return value


def upstream(value: str | None, field: str = "upstream") -> tuple[str, int]:
    """Return (host, port) of a program of the account on this node's own loopback, above the system's ports."""
    found = _UPSTREAM.fullmatch(value or "")
    if not found or not 1024 <= int(found[2]) <= 65535:
        remedy = "give http://127.0.0.1:PORT or http://[::1]:PORT with a port of 1024 to 65535"
        raise refuse(field, f"{shown(value or '')} is not usable", remedy)
    return ("127.0.0.1" if found[1] == "localhost" else found[1]), int(found[2])
