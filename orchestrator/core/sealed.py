"""Secrets that travel through a database, sealed with RSA-OAEP and SHA-256 (RFC 8017 section 7.1)."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from orchestrator.core.errors import InvalidInput

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
MAXIMUM_BYTES = 256  # of a secret in clear; a 3072-bit key takes 318


def seal(public_key: RSAPublicKey, secret: str) -> str:
    """Return ``secret`` sealed to the key."""
    return base64.b64encode(public_key.encrypt(secret.encode(), _OAEP)).decode()


def unseal(private_key: RSAPrivateKey, sealed: object, field: str) -> str:
    """Return the secret; InvalidInput (which never quotes it) when it was not sealed to this key."""
    remedy = "seal it with the key of `tenantry keys show-public`"
    if not isinstance(sealed, str) or len(sealed) > 4096:
        raise InvalidInput(field, "is not a sealed secret", remedy)
    try:
        return private_key.decrypt(base64.b64decode(sealed, validate=True), _OAEP).decode()
    except (binascii.Error, ValueError):
        raise InvalidInput(field, "was not sealed to this installation's key", remedy) from None
