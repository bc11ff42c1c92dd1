# SPDX-License-Identifier: Apache-2.0
"""Questions to the running daemons of a web node, all of them on the node itself and bounded in time and size."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import time
from collections.abc import Callable

from ansible_collections.tenantry.hosting.plugins.module_utils import web_render

_TIMEOUT = 5.0
_LOOK_SECONDS = 0.01
_BODY_LIMIT = 64 * 1024
_FASTCGI_LIMIT = 16 * 1024


def eventually(question: Callable[[], bool], seconds: float) -> bool:
    """Ask again until the answer is yes; False after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def loaded_marks(name: str, tls: bool = False) -> list[str]:
    """Return the marks of the site, PHP and proxy files that the running nginx knows for a name; empty for a stranger."""
    status, body = page(name, web_render.PROBE_PATH, tls)
    return body.decode("ascii", "replace").split() if status == 200 else []


def page(name: str, path: str = "/", tls: bool = False, timeout: float = _TIMEOUT) -> tuple[int, bytes]:
    """Return (status, start of the body) of a page of this node by name; status 0 when there was no answer."""
    connection = _Loopback(name, tls, timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "tenantry", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(_BODY_LIMIT)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


class _Loopback(http.client.HTTPConnection):
    """HTTP to this node under any name, whatever that name resolves to."""

    def __init__(self, name: str, tls: bool, timeout: float) -> None:
        super().__init__(name, timeout=timeout)
        self._tls = tls

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", 443 if self._tls else 80), self.timeout)
        if self._tls:
            # A new site has a placeholder; which certificate it has is the certificate step's question. So no roots are loaded.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def php_mark(path: str, timeout: float = _TIMEOUT) -> str:
    """Return what PHP-FPM's ping answers on a socket, "" when there was no answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(_fastcgi_request(web_render.PING_PATH))
            answer = _fastcgi_output(_read(connection))
    except OSError:
        return ""
    return answer.partition(b"\r\n\r\n")[2].decode("ascii", "replace").strip()


def _read(connection: socket.socket) -> bytes:
    received = b""
    while len(received) < _FASTCGI_LIMIT:
        chunk = connection.recv(4096)
        if not chunk:
            break
        received += chunk
    return received


def _fastcgi_request(path: str) -> bytes:
    names = {"SCRIPT_NAME": path, "SCRIPT_FILENAME": path, "REQUEST_URI": path, "REQUEST_METHOD": "GET"}
    pairs = b"".join(bytes([len(name), len(value)]) + (name + value).encode() for name, value in names.items())
    begin = struct.pack(">HB5x", 1, 0)  # role responder, connection not kept
    return b"".join(_record(kind, body) for kind, body in ((1, begin), (4, pairs), (4, b""), (5, b"")))


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBHHBx", 1, kind, 1, len(body), 0) + body


def _fastcgi_output(data: bytes) -> bytes:
    output = b""
    while len(data) >= 8:
        kind, length, padding = struct.unpack(">xBxxHBx", data[:8])
        if kind == 6:
            output += data[8 : 8 + length]
        data = data[8 + length + padding :]
    return output
