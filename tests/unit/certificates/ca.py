"""A certification authority of the tests' own, that issues whatever is asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.unit.certificates.given import DAY, NOW

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def key_pem(key: Any, passphrase: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


class Authority:
    """An issuer with its own key; ``parent`` None makes a root."""

    def __init__(self, label: str, parent: Authority | None = None) -> None:
        self.label = label
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        signer = parent or self
        self.certificate = self._build(signer)

    def _build(self, signer: Authority) -> x509.Certificate:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = (
            _begun(self.label, signer.label, self.key, NOW - 400 * DAY, 4000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        return builder.sign(signer.key, hashes.SHA256())

    def issue(
        self,
        names: tuple[str, ...],
        *,
        key: Any = None,
        since: datetime = NOW - DAY,
        lifetime: timedelta = 90 * DAY,
        algorithm: Any = None,
        extensions: tuple[x509.ExtensionType, ...] = (),
        usage: Any = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> tuple[x509.Certificate, Any]:
        """Return a certificate for the names, and its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            _begun("leaf", self.label, key, since, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False
            )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, algorithm or hashes.SHA256()), key


def _begun(subject: str, issuer: str, key: Any, since: datetime, lifetime: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + lifetime)
    )
