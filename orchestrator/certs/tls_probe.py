"""What a server shows: the certificate for a name, on every port that has one."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography import x509

from orchestrator.plan.certificates import leaf as read
from orchestrator.plan.certificates.view import Leaf


class Protocol(StrEnum):
    """How TLS begins."""

    TLS = "tls"  # at once: HTTPS, IMAPS, submissions
    SMTP = "smtp"  # after STARTTLS (RFC 3207)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to look."""

    address: str
    port: int
    name: str  # asked for by SNI
    protocol: Protocol = Protocol.TLS
    seconds: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What was found."""

    leaf: Leaf | None = None
    is_self_signed: bool = False
    error: str = ""  # refused, timeout, no certificate

    def is_serial(self, serial: str) -> bool:
        """True when exactly this certificate is served."""
        return self.leaf is not None and self.leaf.serial == serial


def look(place: Place) -> Shown:
    """Return the certificate that is shown for a name; nothing is believed of it."""
    try:
        data = _over_smtp(place) if place.protocol is Protocol.SMTP else _direct(place)
    except TimeoutError:
        return Shown(error="timeout")
    except (OSError, smtplib.SMTPException) as error:
        return Shown(error=f"refused: {type(error).__name__}")
    if not data:
        return Shown(error="no certificate")
    try:
        certificate = x509.load_der_x509_certificate(data)
        return Shown(leaf=read.of(certificate), is_self_signed=certificate.issuer == certificate.subject)
    except ValueError:
        return Shown(error="no certificate")


def accepted(place: Place) -> Leaf | None:
    """Return the certificate that is shown for a name if a client that trusts this system's roots accepts it."""
    try:
        data = _direct(place, ssl.create_default_context())
    except OSError:  # no connection, or a certificate that is not trusted, not for the name, not valid now
        return None
    return read.of(x509.load_der_x509_certificate(data)) if data else None


def _direct(place: Place, context: ssl.SSLContext | None = None) -> bytes | None:
    with (
        socket.create_connection((place.address, place.port), timeout=place.seconds) as plain,
        (context or _context()).wrap_socket(plain, server_hostname=place.name) as secure,
    ):
        return secure.getpeercert(binary_form=True)


def _over_smtp(place: Place) -> bytes | None:
    """Begin TLS by hand: the library's own way asks for the certificate of the address, not of the name."""
    with smtplib.SMTP(place.address, place.port, timeout=place.seconds) as connection:
        connection.ehlo_or_helo_if_needed()
        code, said = connection.docmd("STARTTLS")
        if code != 220 or connection.sock is None:
            raise smtplib.SMTPResponseException(code, said)
        with _context().wrap_socket(connection.sock, server_hostname=place.name) as secure:
            connection.sock = None  # it speaks TLS now: no QUIT in clear
            return secure.getpeercert(binary_form=True)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    """Nothing is believed, so no roots are loaded: that would take longer than the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
