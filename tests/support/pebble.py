"""Let's Encrypt's test server on loopback, its DNS, and a web server that answers every challenge as nginx does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PREFIX = "/.well-known/acme-challenge/"


@dataclass
class Pebble:
    """A running server: where it is, whom to trust, and who answers the challenges."""

    folder: Path
    port: int
    management: int
    dns_management: int
    web: Web
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> str:
        """The URL of the directory."""
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def ca_file(self) -> str:
        """What signs the server's own HTTPS."""
        return str(self.folder / "server.pem")

    def manage(self, path: str) -> bytes:
        """Ask the management interface."""
        trusted = ssl.create_default_context(cafile=self.ca_file)
        url = f"https://127.0.0.1:{self.management}{path}"
        with urllib.request.urlopen(url, timeout=10, context=trusted) as answer:
            return bytes(answer.read())

    def dns(self, path: str, **what: Any) -> None:
        """Change what the test server's DNS answers."""
        url = f"http://127.0.0.1:{self.dns_management}/{path}"
        request = urllib.request.Request(url, json.dumps(what).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()


class Web:
    """Answers challenges statelessly: the token and the thumbprint of the account's key."""

    def __init__(self) -> None:
        self.thumbprint = ""
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                token = self.path.removeprefix(PREFIX)
                found = self.path.startswith(PREFIX) and bool(web.thumbprint)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(f"{token}.{web.thumbprint}".encode() if found else b"")

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop answering."""
        self.server.shutdown()
        self.server.server_close()


def server_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return its file and that of its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test server")])
    names = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(built.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private


@contextlib.contextmanager
def server(folder: Path, settings: Mapping[str, Any] | None = None, **environment: str) -> Iterator[Pebble]:
    """Run the server with its DNS until the block ends; ``settings`` and ``environment`` are Pebble's own."""
    certificate, private = server_certificate(folder)
    port, management, dns_port, dns_management = (free_port() for _ in range(4))
    web = Web()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate),
        "privateKey": str(private),
        "httpPort": web.port,
        "tlsPort": free_port(),
        "certificateValidityPeriod": 7_776_000,
        **(settings or {}),
    }
    (folder / "config.json").write_text(json.dumps({"pebble": config}))
    dns = ["pebble-challtestsrv", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
    dns += ["-dns01", f"127.0.0.1:{dns_port}", "-management", f"127.0.0.1:{dns_management}"]
    pebble = ["pebble", "-config", str(folder / "config.json"), "-dnsserver", f"127.0.0.1:{dns_port}"]
    fast = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    running = Pebble(folder, port, management, dns_management, web)
    with contextlib.ExitStack() as stack:
        stack.callback(web.stop)
        stack.enter_context(_process(dns, folder / "dns.log", {}))
        stack.enter_context(_process(pebble, folder / "pebble.log", {**fast, **environment}))
        _await(port, dns_management)
        yield running


@contextlib.contextmanager
def _process(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await(*ports: int) -> None:
    deadline = time.monotonic() + 20
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on port {port}")
            time.sleep(0.02)


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
