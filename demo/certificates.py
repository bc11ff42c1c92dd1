"""Certificates of the lab's CA: letting an installation use it, and looking at what servers show with its root trusted."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
import time
from pathlib import Path

from cryptography import x509

from demo.installation import Failed, Installation
from demo.outside import Unproven
from lab import acme

_SECONDS = 10
_POLL_SECONDS = 2.0  # a command each time, which takes half a second of a core


def use_lab(site: Installation) -> None:
    """Let an installation have its certificates from the lab's CA and look names up at the lab's resolver."""
    for name, value in (
        ("ssl.directory", acme.directory(site.lab)),
        ("ssl.ca_file", str(acme.api_root(site.lab))),
        ("ssl.resolvers", site.lab.gateway),
        ("ssl.fast_interval_seconds", "10"),
    ):
        site.tenantry("settings", "set", name, value)


def await_active(site: Installation, service: int, roles: int = 2, seconds: float = 180.0) -> dict[str, str]:
    """Wait until every certificate of a service is in use; return its serials by role."""
    deadline = time.monotonic() + seconds
    while True:
        rows = site.json("ssl", "status", str(service))
        if len(rows) == roles and all(row["state"] == "active" for row in rows):
            return {row["role"]: row["serial"] for row in rows}
        if time.monotonic() > deadline:
            told = "; ".join(f"{row['role']} is {row['state']}: {row['error'] or row['next']}" for row in rows)
            raise Failed(f"the certificates are not there ({told or 'none'}); see {site.log}")
        time.sleep(_POLL_SECONDS)


def _trusting(root: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(root))


def _serial(connection: ssl.SSLSocket | None) -> str:
    data = connection.getpeercert(binary_form=True) if connection is not None else None
    if not data:
        raise Unproven("the server shows no certificate")
    return f"{x509.load_der_x509_certificate(data).serial_number:x}"


def https(address: str, name: str, root: Path) -> str:
    """Fetch the page of a name and return the serial that is shown; Unproven unless a client that trusts the root accepts it."""
    try:
        with (
            socket.create_connection((address, 443), timeout=_SECONDS) as plain,
            _trusting(root).wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = secure.recv(4096).split(b"\r\n")[0].decode("latin-1")
            if " 200" not in answer:
                raise Unproven(f"https://{name}/ answers {answer}")
            return _serial(secure)
    except ssl.SSLError as error:
        raise Unproven(f"https://{name}/ is not trusted: {error}") from None


class _ImapAt(imaplib.IMAP4_SSL):
    """IMAP over TLS to an address, with another name than that in its certificate's place."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        self._address = address
        super().__init__(name, ssl_context=context, timeout=_SECONDS)

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        plain = socket.create_connection((self._address, self.port), timeout=timeout)
        return self.ssl_context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[no-any-return]


def imaps(address: str, name: str, root: Path) -> str:
    """Return the serial that an IMAP server shows for a name on port 993."""
    try:
        with _ImapAt(address, name, _trusting(root)) as connection:
            return _serial(connection.sock)  # type: ignore[arg-type]
    except ssl.SSLError as error:
        raise Unproven(f"imaps://{name} is not trusted: {error}") from None


def submission(address: str, name: str, root: Path) -> str:
    """Return the serial that a submission server shows for a name on port 587, after STARTTLS."""
    with smtplib.SMTP(address, 587, timeout=_SECONDS) as connection:
        connection.ehlo()
        connection._host = name  # type: ignore[attr-defined]  # what the library asks for by SNI
        try:
            connection.starttls(context=_trusting(root))
        except ssl.SSLError as error:
            raise Unproven(f"smtp://{name}:587 is not trusted: {error}") from None
        return _serial(connection.sock)  # type: ignore[arg-type]
