"""From a sealed secret to a hash; the secret itself goes nowhere else."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import bcrypt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from orchestrator.core.errors import InvalidInput
from orchestrator.core.sealed import unseal

_BCRYPT_BYTES = 72  # what bcrypt reads of a password
_MINIMUM = 8


def hashed(private_key: RSAPrivateKey, sealed: Any, field: str = "password_sealed") -> str:
    """Return the bcrypt hash of a sealed password. InvalidInput never quotes the password."""
    password = _opened(private_key, sealed, field)
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=10)).decode()


def database_hash(private_key: RSAPrivateKey, sealed: Any, field: str = "password_sealed") -> str:
    """Return what MariaDB's mysql_native_password keeps of a sealed password: an asterisk and SHA1(SHA1(password))."""
    first = hashlib.sha1(_opened(private_key, sealed, field).encode(), usedforsecurity=False).digest()
    return f"*{hashlib.sha1(first, usedforsecurity=False).hexdigest().upper()}"


def _opened(private_key: RSAPrivateKey, sealed: Any, field: str) -> str:
    """Return a sealed password of a usable length and without control characters."""
    password = unseal(private_key, sealed, field)
    if not len(password) >= _MINIMUM or len(password.encode()) > _BCRYPT_BYTES:
        raise InvalidInput(field, "the password has an unusable length", f"use {_MINIMUM} to {_BCRYPT_BYTES} bytes")
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        raise InvalidInput(field, "the password has control characters", "use printable characters")
    return password


def unusable() -> str:
    """Return the hash of a password that nobody knows: the account exists, and its owner sets a password later.

    256 random bits need no work factor to keep them from being guessed.
    """
    return bcrypt.hashpw(secrets.token_hex(32).encode(), bcrypt.gensalt(rounds=4)).decode()
