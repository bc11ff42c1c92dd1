"""A customer's own certificate: what it has to be before it may replace ours.

Everything that a browser or a mail program would refuse is refused here, with the field and the remedy. Sources: the CA/Browser
Forum's Baseline Requirements 6.1.5 (keys), 7.1.3 (signatures) and 6.3.2 (lifetimes), RFC 5280 (chains), RFC 7633 (must-staple).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from orchestrator.core.errors import InvalidInput
from orchestrator.plan.certificates import chain, names
from orchestrator.plan.certificates import leaf as read
from orchestrator.plan.certificates.view import Leaf

MAXIMUM_BYTES = 65_536
_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_SKEW = timedelta(minutes=5)
_SOON = timedelta(days=7)
# Longest lifetime in days of a certificate that begins on or after the date (ballot SC-081v3), newest first.
_CAPS = ((datetime(2029, 3, 15), 47), (datetime(2027, 3, 15), 100), (datetime(2026, 3, 15), 200))
_OLDER_CAP = 398


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A certificate that may be installed."""

    leaf: Leaf
    certificate: str  # PEM
    chain: str  # PEM, in order, without the root
    private_key: bytes  # PKCS #8 PEM
    warnings: tuple[str, ...]


def check(
    certificate: str, private_key: bytes, intermediates: str, wanted: Sequence[str], trust: chain.Trust, now: datetime
) -> Upload:
    """Return what to store of an upload; InvalidInput names the field, the reason and the remedy.

    ``certificate`` may hold the chain as well, in any order. ``trust.roots`` empty means that any issuer will do: for an operator
    who knows it.
    """
    given = _certificates(certificate, "certificate")
    more = _certificates(intermediates, "chain") if intermediates.strip() else []
    leaf, others = _the_leaf([*given, *more])
    key = _key(private_key)
    _match(leaf, key)
    _in_time(leaf, now)
    _strong(leaf)
    missing = names.uncovered(wanted, read.names(leaf))
    if missing:
        raise InvalidInput(
            "certificate", f"does not cover {', '.join(missing)}", "order one that covers every name of the site"
        )
    ordered = chain.ordered(leaf, others)
    chain.verify(leaf, ordered, trust, wanted[0], now)
    pem = "".join(one.public_bytes(Encoding.PEM).decode() for one in ordered)
    return Upload(
        leaf=read.of(leaf),
        certificate=leaf.public_bytes(Encoding.PEM).decode(),
        chain=pem,
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        warnings=tuple(_warnings(leaf, now)),
    )


def _certificates(text: str, field: str) -> list[x509.Certificate]:
    if len(text.encode()) > MAXIMUM_BYTES:
        raise InvalidInput(field, "is too long", f"give at most {MAXIMUM_BYTES // 1024} KiB of PEM")
    if "PRIVATE KEY" in text:
        raise InvalidInput(field, "holds a private key", "give the key as private_key_sealed, and only there")
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(
            field, "is no PEM certificate", "give text that begins with -----BEGIN CERTIFICATE-----"
        ) from None


def _the_leaf(found: Sequence[x509.Certificate]) -> tuple[x509.Certificate, list[x509.Certificate]]:
    leaves = [one for one in dict.fromkeys(found) if not chain.is_ca(one)]
    if not leaves:
        raise InvalidInput("certificate", "is a CA's own", "give the certificate that was issued for the domain")
    if len(leaves) > 1:
        raise InvalidInput("certificate", f"holds {len(leaves)} certificates of servers", "give one, and its chain")
    return leaves[0], [one for one in dict.fromkeys(found) if chain.is_ca(one)]


def _key(private_key: bytes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    field = "private_key_sealed"
    if len(private_key) > MAXIMUM_BYTES:
        raise InvalidInput(field, "is too long", f"give at most {MAXIMUM_BYTES // 1024} KiB of PEM")
    try:
        key = load_pem_private_key(private_key, password=None)
    except TypeError:
        raise InvalidInput(field, "is protected by a passphrase", "give it without one, it is sealed anyway") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(
            field, "is no PEM private key", "give text that begins with -----BEGIN PRIVATE KEY-----"
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES):
        return key
    raise InvalidInput(
        field, "is of a kind that clients refuse", "use RSA of at least 2048 bits, or ECDSA P-256 or P-384"
    )


def _match(leaf: x509.Certificate, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    if leaf.public_key() != key.public_key():
        raise InvalidInput(
            "private_key_sealed", "does not belong to the certificate", "give the key that it was ordered with"
        )


def _in_time(leaf: x509.Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now:
        raise InvalidInput("certificate", f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "give a new one")
    if leaf.not_valid_before_utc > now + _SKEW:
        raise InvalidInput(
            "certificate", f"is valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on", "come back then"
        )


def _strong(leaf: x509.Certificate) -> None:
    used = leaf.signature_hash_algorithm
    if isinstance(used, hashes.SHA1 | hashes.MD5):
        raise InvalidInput("certificate", f"is signed with {used.name}", "have it issued anew, with SHA-256")
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.TLSFeature):
            raise InvalidInput("certificate", "demands OCSP stapling", "have it issued without must-staple")
        if (
            isinstance(extension.value, x509.ExtendedKeyUsage)
            and ExtendedKeyUsageOID.SERVER_AUTH not in extension.value
        ):
            raise InvalidInput("certificate", "is not meant for servers", "have it issued for server authentication")


def _warnings(leaf: x509.Certificate, now: datetime) -> list[str]:
    said = []
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if ends - now < _SOON:
        said.append(f"it expires on {ends:%Y-%m-%d}")
    cap = next((days for since, days in _CAPS if begins.replace(tzinfo=None) >= since), _OLDER_CAP)
    if ends - begins > timedelta(days=cap, seconds=1):
        said.append(f"it is valid for {(ends - begins).days} days; browsers refuse more than {cap}")
    return said
