# SPDX-License-Identifier: Apache-2.0
"""The answer to ACME's HTTP-01 (RFC 8555 section 8.3), the same for every name of the node and without a file per token."""

from __future__ import annotations

import re

from ansible_collections.tenantry.hosting.plugins.module_utils import web_nginx, web_probe
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown

PATH = f"{web_nginx.TREE}/challenge.conf"
URL = "/.well-known/acme-challenge/"
_ANYBODY = "unknown.invalid"  # a name no site has: the default site answers
_TOKEN = "tenantry-probe"
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")

# \z, because $ would let a newline pass; a token is base64url of any length, bounded here.
_TEXT = """\
# Written by tenantry: changes by hand are overwritten. Part of snippets/acme.conf, and so of every site.
location ~ "^/[.]well-known/acme-challenge/([A-Za-z0-9_-]{{1,256}})\\z" {{
    default_type text/plain;
    return 200 "$1.{thumbprint}";
}}
"""


def thumbprint(value: str, field: str = "thumbprint") -> str:
    """Return the thumbprint of the account's key: SHA-256 in base64url (RFC 7638, RFC 8555 section 8.1)."""
    if not _THUMBPRINT.fullmatch(value):
        raise refuse(field, f"{shown(value)} is no thumbprint", "give the 43 characters of RFC 7638")
    return value


def snippet(value: str) -> str:
    """Return the file that answers for an account."""
    return _TEXT.format(thumbprint=value)


def is_answered(value: str) -> bool:
    """Whether the running nginx answers a challenge for this account."""
    return web_probe.page(_ANYBODY, URL + _TOKEN) == (200, f"{_TOKEN}.{value}".encode())
