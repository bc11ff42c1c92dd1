"""What receives mail and webhooks in tests: a minimal SMTP server (RFC 5321) and an HTTP server that remembers."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Smtp(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        """Speak enough SMTP to take one message."""
        self._say("220 test")
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "DATA":
                self._say("354 go on")
                self._take()
            elif word == "RCPT" and self.server.refuse:
                self._say("450 later")
            else:
                self._say("221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()).rstrip(b"\r\n") != b".":
            lines.append(line.decode())
        self.server.messages.append("".join(lines))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Hook(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        """Remember headers and body and answer with the wanted status."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _running(server: Any) -> Iterator[Any]:
    server.messages = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def smtp() -> Iterator[Any]:
    """Yield a server with ``messages``; with ``refuse`` set it takes none."""
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    server.daemon_threads, server.refuse = True, False
    with _running(server):
        yield server


@contextlib.contextmanager
def webhook() -> Iterator[Any]:
    """Yield a server with ``messages`` (headers, body) that answers with ``status``."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.status = 204
    with _running(server):
        yield server
