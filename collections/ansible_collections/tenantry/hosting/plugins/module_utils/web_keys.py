# SPDX-License-Identifier: Apache-2.0
"""Grammar of what lets somebody in by SFTP: hashes of crypt(5) and public keys. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import web_sftp_users
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown

KEYS_MAXIMUM = 50
_BCRYPT = re.compile(r"\$2b\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
_YESCRYPT = re.compile(r"\$y\$[./A-Za-z0-9]{2,16}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}")
# Nothing may stand before the type: there sshd expects options, a command to run for example.
_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]{40,2000}={0,2})(?: [^\n\r\0]{0,200})?"
)
_RSA_LEAST = 2048


def password_hash(value: str | None, field: str = "password_hash") -> str:
    """Return a hash that this system's crypt understands; without one, what no password fits."""
    if not value:
        return web_sftp_users.NO_PASSWORD
    if not (_BCRYPT.fullmatch(value) or _YESCRYPT.fullmatch(value)):
        raise refuse(field, "it is no hash that SFTP logins use", "give bcrypt ($2b$, cost 4-15) or yescrypt ($y$)")
    return value


def public_keys(values: Sequence[str], field: str = "public_keys") -> list[str]:
    """Return the keys without their comments, none twice, in the order given."""
    if len(values) > KEYS_MAXIMUM:
        raise refuse(field, "%d keys are too many" % len(values), "give at most %d" % KEYS_MAXIMUM)
    return list(dict.fromkeys(_public_key(value, field) for value in values))


def _public_key(value: str, field: str) -> str:
    match = _KEY.fullmatch(value.strip(" "))
    parts = _parts(match[2]) if match else []
    if not match or len(parts) < 2 or parts[0] != match[1].encode():
        raise refuse(field, f"{shown(value)} is no public key", "give a line as ssh-keygen writes it into a .pub file")
    if match[1] == "ssh-rsa" and (len(parts) != 3 or int.from_bytes(parts[2], "big").bit_length() < _RSA_LEAST):
        raise refuse(
            field, "an RSA key of less than %d bits is too weak" % _RSA_LEAST, "make one with ssh-keygen -t ed25519"
        )
    return f"{match[1]} {match[2]}"


def _parts(text: str) -> list[bytes]:
    """Return the strings a key is made of (RFC 4253 section 6.6), empty when it is not made of strings."""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return []
    found = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return []
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return found
