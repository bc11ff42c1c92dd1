"""Secrets that lie in the database, encrypted with AES-256-GCM (NIST SP 800-38D) under a key that does not."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator.core.errors import Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12


def encrypt(key: bytes, secret: bytes, place: str) -> str:
    """Return ``secret`` as base64 text that opens only with the key and only in its ``place``, such as "certificate:7:auto"."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret, place.encode())).decode()


def decrypt(key: bytes, text: str, place: str) -> bytes:
    """Return the secret; Unavailable when it was written under another key or belongs elsewhere."""
    try:
        data = base64.b64decode(text, validate=True)
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode())
    except (InvalidTag, binascii.Error, ValueError):
        raise Unavailable(
            f"{place} was stored under another key; give every orchestrator of this database the same TENANTRY_HOME"
        ) from None
