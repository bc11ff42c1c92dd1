"""Values that customers give for what they add to an account: each function returns the canonical form or raises InvalidInput.

As with names, a grammar of the whole value keeps a customer's text from becoming configuration. The nodes check the same again.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import domain, shown

DATABASE_MAXIMUM = 64  # characters of a name in MariaDB
LOGIN_MAXIMUM = 32  # characters of a user's name in Linux
COMMAND_MAXIMUM = 1000
FOLDER_MAXIMUM = 200
_SUFFIX = re.compile(r"[a-z0-9][a-z0-9_]*")
_CRON_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_FOLDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_FOLDER_DEPTH = 9
_UPSTREAM = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost):([1-9][0-9]{3,4})/?")
_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_KEY_MAXIMUM = 4096  # characters, with the comment
_RSA_BITS = (2048, 8192)
_EMAIL_MAXIMUM = 254  # RFC 5321 section 4.5.3.1.3 less the angle brackets
# What RFC 5321 allows without quotes, less what a mail server or a shell reads as something else.
_REMOTE_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+=&'~-]{0,62}[A-Za-z0-9_+=~-])?")


def suffix(value: object, field: str = "name") -> str:
    """Return the part of a name that a customer chooses; the account's user and an underscore come before it."""
    if not isinstance(value, str) or len(value) > DATABASE_MAXIMUM or not _SUFFIX.fullmatch(value):
        remedy = "use a-z, 0-9 and _, and begin with a letter or digit; the account's name is put before it"
        raise InvalidInput(field, f"{shown(value)} is not usable", remedy)
    return value


def below(username: str, name: str, maximum: int, field: str = "name") -> str:
    """Return the whole name of an object of an account."""
    room = maximum - len(username) - 1
    if len(name) > room:
        raise InvalidInput(
            field, f"{shown(name)} is too long", f"use at most {room} characters; {username}_ comes first"
        )
    return f"{username}_{name}"


def cron_name(value: object, field: str = "name") -> str:
    """Return the name of a cron job."""
    if not isinstance(value, str) or not _CRON_NAME.fullmatch(value):
        raise InvalidInput(field, f"{shown(value)} is not usable", "use 1-32 of a-z, 0-9 and inner hyphens")
    return value


def command(value: object, field: str = "command") -> str:
    """Return a command line for the account's shell: one line of printable characters."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(field, f"{shown(value)} is no command", "give one line for the shell")
    if len(value) > COMMAND_MAXIMUM or not value.isprintable():
        reason = f"has {len(value)} characters or some that cannot be printed"
        raise InvalidInput(
            field, reason, f"give one line of at most {COMMAND_MAXIMUM} characters; put more in a script"
        )
    return value


def folder(value: object, field: str = "folder") -> str:
    """Return a folder below an account's home: www or one inside it."""
    parts = value.split("/") if isinstance(value, str) else []
    is_short = isinstance(value, str) and len(value) <= FOLDER_MAXIMUM and len(parts) <= _FOLDER_DEPTH
    if not is_short or parts[0] != "www" or not all(_FOLDER.fullmatch(part) for part in parts):
        raise InvalidInput(field, f"{shown(value)} is not usable", "give www or a folder in it such as www/public")
    return "/".join(parts)


def upstream(value: object, field: str = "upstream") -> str:
    """Return where a program of the account listens: loopback only, above the system's ports."""
    found = _UPSTREAM.fullmatch(value) if isinstance(value, str) else None
    if not found or not 1024 <= int(found[2]) <= 65535:
        remedy = "give http://127.0.0.1:PORT with a port from 1024 to 65535"
        raise InvalidInput(field, f"{shown(value)} is not usable", remedy)
    return f"http://{'127.0.0.1' if found[1] == 'localhost' else found[1]}:{found[2]}"


def destination(value: object, field: str = "destinations") -> str:
    """Return an address that mail is passed on to, its domain in A-label form."""
    if not isinstance(value, str) or value.count("@") != 1 or len(value) > _EMAIL_MAXIMUM:
        raise InvalidInput(field, f"{shown(value)} is no mail address", "use name@domain")
    local, host = value.split("@")
    if not _REMOTE_PART.fullmatch(local) or ".." in local:
        raise InvalidInput(field, f"{shown(value)} is no address we pass mail on to", "use plain name@domain addresses")
    address = f"{local}@{domain(host, field)}"
    if len(address) > _EMAIL_MAXIMUM:
        raise InvalidInput(field, f"{shown(value)} is too long", "use a shorter address")
    return address


def public_key(value: object, field: str = "public_keys") -> str:
    """Return an SSH public key as "type base64"; options are refused, the comment is dropped."""
    if not isinstance(value, str) or len(value) > _KEY_MAXIMUM or not value.strip("\n").isprintable():
        raise InvalidInput(field, f"{shown(value)} is no public key", "give one line of an id_*.pub file")
    kind, _, rest = value.strip().partition(" ")
    if kind not in _KEY_TYPES:
        raise InvalidInput(field, f"{shown(kind)} is no type of key we take", f"use one of {', '.join(_KEY_TYPES)}")
    text = rest.strip().split(" ")[0]
    _check_key(kind, text, field)
    return f"{kind} {text}"


def _check_key(kind: str, text: str, field: str) -> None:
    try:
        raw = base64.b64decode(text, validate=True)
        key = load_ssh_public_key(f"{kind} {text}".encode())
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raw, key = b"", None
    if key is None or base64.b64encode(raw).decode() != text:
        raise InvalidInput(field, f"{shown(text)} is no {kind} key", "copy the whole line of the .pub file")
    low, high = _RSA_BITS
    if isinstance(key, RSAPublicKey) and not (low <= key.key_size <= high and key.public_numbers().e >= 3):
        raise InvalidInput(field, f"an RSA key of {key.key_size} bits is not usable", f"use {low} to {high} bits")
