"""The key pair to which billing systems seal secrets."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from orchestrator.core.at_rest import KEY_BYTES
from orchestrator.core.errors import Unavailable

_BITS = 3072


def _path(home: Path) -> Path:
    return home / "sealing.pem"


def ensure_private_key(home: Path) -> None:
    """Create the installation's key when it has none; never replaces one."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _path(home).exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = home / f".sealing.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(pem)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(temporary, _path(home))  # of two that start at once, the first one's key stays
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def load_private_key(home: Path) -> rsa.RSAPrivateKey:
    """Return the installation's key; Unavailable tells to run init."""
    return _parsed(_pem(home))


def _pem(home: Path) -> bytes:
    try:
        return _path(home).read_bytes()
    except OSError as error:
        raise Unavailable(
            f"the sealing key {_path(home)} cannot be read ({error.strerror}); run `tenantry init`"
        ) from None


@lru_cache(maxsize=4)
def _parsed(pem: bytes) -> rsa.RSAPrivateKey:
    """OpenSSL checks an RSA key for a tenth of a second, so each content of the file is checked once."""
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - the only kind ensure_private_key writes
    return key


def public_pem(home: Path) -> str:
    """Return the public key as PEM."""
    key = load_private_key(home).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def storage_key(home: Path) -> bytes:
    """Return the key for secrets in the database: derived (RFC 5869) from the installation's, so there is one file to back up."""
    return _derived(home, b"tenantry storage")


def link_key(home: Path) -> bytes:
    """Return the key that signs links to customers' pages, derived in the same way."""
    return _derived(home, b"tenantry customer links")


def _derived(home: Path, purpose: bytes) -> bytes:
    private = load_private_key(home).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose).derive(private)
