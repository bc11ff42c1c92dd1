"""Stands between a client and the CA: counts, injects faults, and adds what Debian's Pebble does not have (RFC 9773)."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.pebble import Pebble

ACME = "urn:ietf:params:acme:error:"


@dataclass
class Fault:
    """An answer given instead of the CA's: to requests whose path contains a word, so many times."""

    path: str
    status: int
    kind: str = "serverInternal"
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000_000
    after: int = 0  # requests that are let through first
    raw: bytes | None = None
    delivered: bool = False  # the CA gets the request all the same, only its answer is lost


@dataclass
class Proxy:
    """A running proxy."""

    port: int
    requests: list[str] = field(default_factory=list)  # "POST /order-plz"
    faults: list[Fault] = field(default_factory=list)
    windows: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # by renewal id
    poll_seconds: int = 21_600
    replaced: list[str] = field(default_factory=list)  # renewal ids in newOrder
    date: str = ""  # shown instead of the CA's

    @property
    def directory(self) -> str:
        """The URL of the directory as seen through the proxy."""
        return f"https://127.0.0.1:{self.port}/dir"

    def count(self, word: str) -> int:
        """Return how many requests had the word in their path."""
        return len([one for one in self.requests if word in one])

    def fault(self, path: str) -> Fault | None:
        """Take the next fault for a path."""
        for one in self.faults:
            if one.path in path and one.times > 0:
                if one.after:
                    one.after -= 1
                    return None
                one.times -= 1
                return one
        return None


@contextlib.contextmanager
def proxy(pebble: Pebble) -> Iterator[Proxy]:
    """Run a proxy in front of the server until the block ends."""
    state = Proxy(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state, pebble))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pebble.folder / "server.pem", pebble.folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _handler(state: Proxy, pebble: Pebble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_HEAD(self) -> None:
            self._serve()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append(f"{self.command} {self.path}")
            fault = state.fault(self.path)
            if fault and not fault.delivered:
                self._fail(fault)
                return
            if self.path.startswith("/renewal-info/"):
                self._renewal(self.path.rpartition("/")[2])
                return
            self._note(body)
            status, headers, answer = self._forward(body)
            if fault:
                self._fail(fault)
            else:
                self._send(status, headers, self._extended(answer))

        def _note(self, body: bytes) -> None:
            if "order-plz" in self.path and body:
                payload = json.loads(body)["payload"]
                document = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
                state.replaced += [document["replaces"]] if "replaces" in document else []

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            trusted = ssl.create_default_context(cafile=pebble.ca_file)
            connection = http.client.HTTPSConnection("127.0.0.1", pebble.port, timeout=60, context=trusted)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            found = answer.read()
            kept: dict[str, str] = {}
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    kept[name] = f"{kept[name]}, {value}" if name in kept else value
            connection.close()
            return answer.status, kept, found

        def _extended(self, answer: bytes) -> bytes:
            if self.path != "/dir":
                return answer
            document = json.loads(answer)
            document["renewalInfo"] = f"https://{self.headers['Host']}/renewal-info"
            return json.dumps(document).encode()

        def _renewal(self, identifier: str) -> None:
            if identifier not in state.windows:
                self._send(404, {}, b"{}")
                return
            start, end = (moment.isoformat().replace("+00:00", "Z") for moment in state.windows[identifier])
            document = {"suggestedWindow": {"start": start, "end": end}, "explanationURL": "https://ca.test/why"}
            self._send(200, {"Retry-After": str(state.poll_seconds)}, json.dumps(document).encode())

        def _fail(self, fault: Fault) -> None:
            document = {"type": f"{ACME}{fault.kind}", "detail": fault.detail, "status": fault.status}
            body = fault.raw if fault.raw is not None else json.dumps(document).encode()
            self._send(fault.status, {"Content-Type": "application/problem+json", **fault.headers}, body)

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response_only(status)
            shown = {"Date": self.date_time_string(int(time.time())), **headers}
            if state.date:
                shown["Date"] = state.date
            for name, value in {**shown, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
