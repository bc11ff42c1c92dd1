"""Secrets that travel through a database, sealed with RSA-OAEP and SHA-256 (RFC 8017 section 7.1).

One that is longer than a block, such as a private key, is sealed piece by piece; the pieces are joined by a full stop.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from orchestrator.core.errors import InvalidInput

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_OVERHEAD = 66  # bytes of a block that the padding takes (RFC 8017 section 7.1.1)
KEY_BLOCKS = 64  # of a private key: RSA with 16384 bits has 13 KB as PEM
_BLOCK_CHARACTERS = 4096
_SEALED = re.compile(r"[A-Za-z0-9+/]{340,}={0,2}(?:\.[A-Za-z0-9+/]{340,}={0,2})*")


def seal(public_key: RSAPublicKey, secret: str) -> str:
    """Return ``secret`` sealed to the key."""
    data, size = secret.encode(), public_key.key_size // 8 - _OVERHEAD
    pieces = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    return ".".join(base64.b64encode(public_key.encrypt(piece, _OAEP)).decode() for piece in pieces)


def looks_sealed(value: object) -> bool:
    """True for text of the form of a sealed secret: blocks of 2048 bits or more in base64."""
    return isinstance(value, str) and _SEALED.fullmatch(value) is not None


def unseal(private_key: RSAPrivateKey, sealed: object, field: str, blocks: int = 1) -> str:
    """Return a secret of at most so many blocks; InvalidInput (which never quotes it) when it was not sealed to this key."""
    remedy = "seal it with the key of `tenantry keys show-public`"
    if not isinstance(sealed, str) or len(sealed) > _BLOCK_CHARACTERS * blocks or sealed.count(".") >= blocks:
        raise InvalidInput(field, "is not a sealed secret", remedy)
    try:
        pieces = [private_key.decrypt(base64.b64decode(one, validate=True), _OAEP) for one in sealed.split(".")]
        return b"".join(pieces).decode()
    except (binascii.Error, ValueError):
        raise InvalidInput(field, "was not sealed to this installation's key", remedy) from None
