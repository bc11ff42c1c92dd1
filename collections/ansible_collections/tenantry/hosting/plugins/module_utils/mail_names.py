# SPDX-License-Identifier: Apache-2.0
"""The grammar of every name a mail step accepts, checked as a whole value before anything is touched."""

from __future__ import annotations

import re

from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?")
_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# bcrypt's and Argon2's costs are bounded: every login pays them, and one mailbox must not stall the others'.
_HASHES = (
    re.compile(r"\{BLF-CRYPT\}\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}"),
    re.compile(
        r"\{ARGON2ID\}\$argon2id\$v=19\$m=[1-9][0-9]{3,4},t=[1-9],p=1\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,88}"
    ),
    re.compile(r"\{SHA512-CRYPT\}\$6\$(?:rounds=[1-9][0-9]{3,5}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"),
)
_DOMAIN_MAXIMUM = 253
_ADDRESS_MAXIMUM = 254  # RFC 5321 section 4.5.3.1.3 less the angle brackets


def refuse(field: str, reason: str, remedy: str) -> StepFailed:
    """Return the failure for bad input: which field, what is wrong with it, what to do."""
    return StepFailed("invalid", f"{field}: {reason}; {remedy}", field=field)


def domain(value: str, field: str = "domain") -> str:
    """Return a domain in A-label form: lower case, two labels or more, the last one not a number."""
    labels = value.split(".")
    if len(value) > _DOMAIN_MAXIMUM or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refuse(field, f"{shown(value)} is no domain name", "give lower-case A-labels such as shop.example")
    if labels[-1].isdigit():
        raise refuse(field, f"{shown(value)} is an address", "give a name such as shop.example")
    return value


def local_part(value: str, field: str = "local_part") -> str:
    """Return the part before the @: a strict subset of RFC 5321's, lower case."""
    if not _LOCAL_PART.fullmatch(value) or ".." in value:
        raise refuse(field, f"{shown(value)} is not usable", "use 1-64 of a-z, 0-9 and inner . _ + -")
    return value


def address(local: str, host: str) -> str:
    """Return the mail address of a checked local part and domain."""
    whole = f"{local_part(local)}@{domain(host)}"
    if len(whole) > _ADDRESS_MAXIMUM:
        raise refuse("local_part", "the whole address is too long", "use a shorter name")
    return whole


def selector(value: str, field: str = "selector") -> str:
    """Return a DKIM selector of one DNS label (RFC 6376 section 3.1)."""
    if not _LABEL.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no DKIM selector", "use one label of a-z, 0-9 and inner hyphens")
    return value


def owner(value: str, field: str = "owner") -> str:
    """Return the label of the service that owns a row, s1001 for example."""
    if not _OWNER.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no owner", "use a-z, 0-9, _ and -, a letter first")
    return value


def owner_or_none(value: str | None, field: str = "owner") -> str | None:
    """Return the label of the owner, None in an engineer's run by hand."""
    return None if value is None else owner(value, field)


def password_hash(value: str, field: str = "password_hash") -> str:
    """Return a hash with its scheme; the value is never shown."""
    if not any(pattern.fullmatch(value) for pattern in _HASHES):
        raise refuse(field, "is no hash we accept", "give {BLF-CRYPT}, {ARGON2ID} or {SHA512-CRYPT} with usual costs")
    return value


def display_name(value: str | None, field: str = "display_name") -> str:
    """Return a person's name of at most 128 printable characters, empty when there is none."""
    text = value or ""
    if len(text) > 128 or not text.isprintable():
        raise refuse(field, f"{shown(text)} is not printable or too long", "use at most 128 printable characters")
    return text


def whole(value: int, field: str, low: int, high: int) -> int:
    """Return a number within its bounds."""
    if not low <= value <= high:
        raise refuse(field, "%d is out of bounds" % value, "give %d to %d" % (low, high))
    return value


def shown(value: str) -> str:
    """Return an unusable value in a form that is safe in a message."""
    return repr(value[:60])
