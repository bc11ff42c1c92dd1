# SPDX-License-Identifier: Apache-2.0
"""The grammar of what only mail steps accept; what all areas share stands in ``grammar``."""

from __future__ import annotations

import re

from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import domain, is_host_label, refuse, shown

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?")
# bcrypt's and Argon2's costs are bounded: every login pays them, and one mailbox must not stall the others'.
_HASHES = (
    re.compile(r"\{BLF-CRYPT\}\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}"),
    re.compile(
        r"\{ARGON2ID\}\$argon2id\$v=19\$m=[1-9][0-9]{3,4},t=[1-9],p=1\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,88}"
    ),
    re.compile(r"\{SHA512-CRYPT\}\$6\$(?:rounds=[1-9][0-9]{3,5}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"),
)
# Other servers' addresses: what RFC 5321 allows without quotes, less what Postfix or a shell reads as something else.
_REMOTE_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+=&'~-]{0,62}[A-Za-z0-9_+=~-])?")
_ADDRESS_MAXIMUM = 254  # RFC 5321 section 4.5.3.1.3 less the angle brackets


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


def destination(value: str, field: str = "destinations") -> str:
    """Return an address to which mail is passed on, here or elsewhere; the domain in A-label form."""
    local, _, host = value.rpartition("@")
    if not _REMOTE_PART.fullmatch(local) or ".." in local or len(value) > _ADDRESS_MAXIMUM:
        raise refuse(field, f"{shown(value)} is no address we pass mail on to", "give plain name@domain addresses")
    if domain(host, field).endswith(".invalid"):
        raise refuse(field, f"{shown(value)} cannot exist", "give an address that does")
    return f"{local}@{host}"


def selector(value: str, field: str = "selector") -> str:
    """Return a DKIM selector of one DNS label (RFC 6376 section 3.1)."""
    if not is_host_label(value):
        raise refuse(field, f"{shown(value)} is no DKIM selector", "use one label of a-z, 0-9 and inner hyphens")
    return value


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
