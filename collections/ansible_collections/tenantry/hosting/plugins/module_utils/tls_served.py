# SPDX-License-Identifier: Apache-2.0
"""Which certificate a daemon of this node shows for a name: asked by a handshake, so nothing that is only on the disk counts."""

from __future__ import annotations

import socket
import ssl

_TIMEOUT = 5.0
_LINE = 2048
_LINES = 50
# What is said before TLS begins: lines that end what the server says, and what the client answers.
_SMTP = ((b"220 ", b"EHLO probe.invalid\r\n"), (b"250 ", b"STARTTLS\r\n"), (b"220 ", b""))
_IMAP = ((b"* OK", b"a STARTTLS\r\n"), (b"a OK", b""))
_BEFORE = {25: _SMTP, 587: _SMTP, 143: _IMAP}


def leaf(name: str, port: int) -> bytes:
    """Return the certificate (DER) that is shown for a name on a port, empty when there is no answer.

    Who signed it is of no interest: it is compared with the one that was installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as plain:
            _greet(plain, port)
            with context.wrap_socket(plain, server_hostname=name) as connection:
                return connection.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def _greet(plain: socket.socket, port: int) -> None:
    """Bring a plain conversation to the point where TLS begins (RFC 3207, RFC 9051 section 6.2.1)."""
    for expected, answer in _BEFORE.get(port, ()):
        _await_line(plain, expected)
        plain.sendall(answer)


def _await_line(plain: socket.socket, expected: bytes) -> None:
    """Read whole lines until one begins as expected; byte by byte, because what follows belongs to TLS."""
    for _ in range(_LINES):
        line = b""
        while not line.endswith(b"\n") and len(line) < _LINE:
            byte = plain.recv(1)
            if not byte:
                raise ConnectionError("it ended the conversation")
            line += byte
        if line.startswith(expected):
            return
    raise ConnectionError("it does not speak the protocol")
