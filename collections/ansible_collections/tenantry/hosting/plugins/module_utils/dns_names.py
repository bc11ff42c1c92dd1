# SPDX-License-Identifier: Apache-2.0
"""The grammar of what only DNS steps accept; what all areas share stands in ``grammar``."""

from __future__ import annotations

import re

from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import (
    DOMAIN_MAXIMUM,
    is_host_label,
    refuse,
    shown,
)

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # _dmarc, _imaps, _domainkey
# The mailbox of a SOA record: dots of the local part are escaped (RFC 1035 section 5.1).
_MAILBOX = re.compile(r"(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]|\\\.){1,63}")
TTL_BOUNDS = (60, 604_800)
SERIAL_BOUNDS = (1, 2**32 - 1)


def zone(value: str, field: str = "zone") -> str:
    """Return the absolute name of a zone: two labels or more, lower case, with the last dot."""
    name = _absolute(value, field)
    labels = name[:-1].split(".")
    if len(labels) < 2 or labels[-1].isdigit() or not all(map(is_host_label, labels)):
        raise refuse(field, f"{shown(value)} is no zone", "give an absolute name such as shop.example.")
    return name


def owner_name(value: str, inside: str, field: str = "name") -> str:
    """Return the absolute name of a record, which lies in the zone ``inside``; the first label may be a ``*``."""
    name = _absolute(value, field)
    if name != inside and not name.endswith("." + inside):
        raise refuse(field, f"{shown(value)} is not in the zone {inside}", "give a name below the zone")
    first, *others = name[:-1].split(".")
    if not (first == "*" or _LABEL.fullmatch(first)) or not all(_LABEL.fullmatch(label) for label in others):
        raise refuse(field, f"{shown(value)} is not usable", "labels are 1-63 of a-z, 0-9, _ and inner hyphens")
    return name


def host(value: str, field: str, underscore: bool = False) -> str:
    """Return the absolute name that a record points to."""
    name = _absolute(value, field)
    fits = _LABEL.fullmatch if underscore else is_host_label
    if not all(map(fits, name[:-1].split("."))):
        raise refuse(field, f"{shown(value)} is no host name", "give an absolute name such as mail.shop.example.")
    return name


def _absolute(value: str, field: str) -> str:
    name = value.lower()
    if not name.endswith(".") or name == ".":
        raise refuse(field, f"{shown(value)} is not absolute", "give the whole name and end it with a dot")
    if len(name) - 1 > DOMAIN_MAXIMUM:
        raise refuse(field, f"has more than {DOMAIN_MAXIMUM} characters", "shorten it")
    return name


def mailbox(value: str, field: str = "soa.rname") -> str:
    """Return the mailbox of a SOA record as an absolute name (RFC 1035 section 3.3.13)."""
    local, separator, domain = re.split(r"(?<!\\)(\.)", value.lower(), maxsplit=1) if "." in value else ("", "", "")
    if not separator or not _MAILBOX.fullmatch(local):
        raise refuse(
            field, f"{shown(value)} is no mailbox", "write hostmaster@shop.example as hostmaster.shop.example."
        )
    return f"{local}.{host(domain, field)}"


def to_wire(name: str) -> bytes:
    """Return a checked absolute name as it stands in a message, uncompressed."""
    labels = [label.replace("\\.", ".") for label in re.split(r"(?<!\\)\.", name[:-1]) if label]
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"
