"""A mail server that takes mail only over STARTTLS (RFC 3207) and after a login (RFC 4954)."""

from __future__ import annotations

import base64
import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOGIN, PASSWORD = "tenantry@provider.example", "canary-smtp ä"


class _Session(socketserver.StreamRequestHandler):
    server: Any
    timeout = 20

    def handle(self) -> None:
        """Speak SMTP until the client leaves."""
        self.is_safe = self.is_known = False
        self._say("220 mail.provider.example ESMTP")
        while line := self.rfile.readline().decode().strip():
            self.server.commands.append((self.is_safe, line))
            word = line.split()[0].upper()
            if word == "QUIT":
                return self._say("221 bye")
            getattr(self, f"_{word.lower()}", self._unknown)(line)
        return None

    def _ehlo(self, _: str) -> None:
        offer = "AUTH PLAIN" if self.is_safe else self.server.offer
        self._say(f"250-mail.provider.example\r\n250 {offer}" if offer else "250 mail.provider.example")

    def _starttls(self, _: str) -> None:
        self._say("220 go on")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.is_safe = True

    def _auth(self, line: str) -> None:
        given = base64.b64decode(line.split()[2]).decode()
        self.is_known = self.is_safe and given == f"\0{LOGIN}\0{PASSWORD}"
        # Some servers repeat what they were given: it must not get into our rows.
        self._say("235 welcome" if self.is_known else f"535 5.7.8 {line} refused")

    def _mail(self, _: str) -> None:
        self._say("250 ok" if self.is_known else "530 log in first")

    def _rcpt(self, _: str) -> None:
        self._say("250 ok")

    def _data(self, _: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()).rstrip(b"\r\n") != b".":
            lines.append(line.decode())
        self.server.messages.append("".join(lines))
        self._say("250 taken")

    def _unknown(self, _: str) -> None:
        self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that refuses our certificate leaves in the midst of it."""


@contextlib.contextmanager
def serving(certificate: Path, key: Path, offer: str = "STARTTLS") -> Iterator[Any]:
    """Yield a server on a free port of loopback: ``messages`` it took, ``commands`` as (over TLS, line)."""
    server: Any = _Server(("127.0.0.1", 0), _Session)
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(certificate, key)
    server.messages, server.commands, server.offer = [], [], offer
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
