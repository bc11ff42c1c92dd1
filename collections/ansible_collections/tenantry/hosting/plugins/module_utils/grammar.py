# SPDX-License-Identifier: Apache-2.0
"""The grammar that the steps of all areas share: every value is checked as a whole before anything is touched.

Validators of configuration files are no filter: to them, a name with a semicolon and a brace is good configuration. Only
what these functions return reaches a path, a table or a file.
"""

from __future__ import annotations

import re

from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
DOMAIN_MAXIMUM = 253  # RFC 1035 section 3.1, in text form and without the last dot


def refuse(field: str, reason: str, remedy: str) -> StepFailed:
    """Return the failure for bad input: which field, what is wrong with it, what to do."""
    return StepFailed("invalid", f"{field}: {reason}; {remedy}", field=field)


def shown(value: str) -> str:
    """Return an unusable value in a form that is safe in a message."""
    return repr(value[:60])


def is_host_label(value: str) -> bool:
    """Whether a text is one label of a host name (RFC 1123 section 2.1)."""
    return bool(_LABEL.fullmatch(value))


def domain(value: str, field: str = "domain") -> str:
    """Return a domain in A-label form: lower case, two labels or more, the last one not a number."""
    labels = value.split(".")
    if len(value) > DOMAIN_MAXIMUM or len(labels) < 2 or not all(map(is_host_label, labels)):
        raise refuse(field, f"{shown(value)} is no domain name", "give lower-case A-labels such as shop.example")
    if labels[-1].isdigit():
        raise refuse(field, f"{shown(value)} is an address", "give a name such as shop.example")
    return value


def owner(value: str | None, field: str = "owner") -> str:
    """Return the label of the service that owns an object, s1001 for example; empty in a run by hand."""
    if value is None or value == "":
        return ""
    if not _OWNER.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no owner", "use a-z, 0-9, _ and -, a letter first")
    return value


def whole(value: int, field: str, low: int, high: int) -> int:
    """Return a number within its bounds."""
    if not low <= value <= high:
        raise refuse(field, "%d is out of bounds" % value, "give %d to %d" % (low, high))
    return value
