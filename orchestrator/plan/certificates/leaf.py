"""What is read from an issued certificate."""

from __future__ import annotations

import base64

from cryptography import x509

from orchestrator.plan.certificates.view import Leaf


def of(certificate: x509.Certificate) -> Leaf:
    """Return the parts of a certificate that the rules need."""
    return Leaf(
        serial=f"{certificate.serial_number:x}",
        names=tuple(names(certificate)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def names(certificate: x509.Certificate) -> list[str]:
    """Return its DNS names in lower case; the common name counts for nothing (RFC 9525)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def renewal_id(certificate: x509.Certificate) -> str:
    """Return the identifier under which its CA speaks of its renewal (RFC 9773 section 4.1); empty when it has none.

    That is the issuer's key identifier and the serial number as in the certificate's DER, with the zero that keeps it positive.
    """
    try:
        key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    if key is None:
        return ""
    serial = certificate.serial_number
    return f"{_encoded(key)}.{_encoded(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
