"""Certificates of a small CA of the tests, and what a machine shows for a name."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_SERIALS = itertools.count(0xA0)


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate with its chain and key, as a job carries it."""

    names: tuple[str, ...]
    certificate: str
    private_key: str = field(repr=False)
    serial: str
    der: bytes = field(repr=False)

    def params(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of a step that installs it."""
        return {
            "names": list(self.names),
            "certificate": self.certificate,
            "private_key": self.private_key,
            "serial": self.serial,
            **more,
        }

    @property
    def secret(self) -> str:
        """A line of the key that may be seen nowhere."""
        return self.private_key.splitlines()[1]


class Authority:
    """A CA with an intermediate, as a public one has."""

    def __init__(self) -> None:
        self._root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = _sign("Test root", self._root_key, "Test root", self._root_key, is_ca=True)
        self._chain = _sign("Test intermediate", self._key, "Test root", self._root_key, is_ca=True)

    def issue(self, *names: str, days: int = 60) -> Issued:
        """Return a certificate that ends after ``days``, which may be over."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _sign(names[0], key, "Test intermediate", self._key, names=names, days=days, serial=next(_SERIALS))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = "".join(one.public_bytes(Encoding.PEM).decode() for one in (leaf, self._chain))
        der = leaf.public_bytes(Encoding.DER)
        return Issued(names=names, certificate=chain, private_key=private, serial=f"{leaf.serial_number:x}", der=der)


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    names: tuple[str, ...] = (),
    days: int = 60,
    serial: int = 0,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject, signer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    built = x509.CertificateBuilder(signer, subject, key.public_key(), serial or x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=days))
    built = built.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    return built.sign(issuer_key, hashes.SHA256())


def shown(address: str, port: int, name: str) -> bytes:
    """Return the certificate (DER) that a machine shows for a name; ports that begin in clear are asked for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=20) as plain:
        if port in (25, 143, 587):
            _begin(plain, port)
        with context.wrap_socket(plain, server_hostname=name) as connection:
            return connection.getpeercert(binary_form=True) or b""


def _begin(plain: socket.socket, port: int) -> None:
    steps = ((b"EHLO ext9.lab.test\r\n", b"250 "), (b"STARTTLS\r\n", b"220 "))
    plain.recv(4096)
    for command, expected in steps if port != 143 else ((b"a STARTTLS\r\n", b"a OK"),):
        plain.sendall(command)
        answer = b""
        while expected not in answer:
            answer += plain.recv(4096)


class Load:
    """What a stream of requests has seen."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()
        self.failures: list[str] = []
        self.count = 0
        self.seconds = 0.0

    def await_seen(self, value: Any, seconds: float = 30.0) -> None:
        """Wait until a request has seen this; it may already have."""
        deadline = time.monotonic() + seconds
        while value not in self.seen:
            assert time.monotonic() < deadline, f"not seen within {seconds:g} s"
            time.sleep(0.02)


@contextlib.contextmanager
def load(request: Callable[[], Any], rate: float) -> Iterator[Load]:
    """Make ``rate`` requests a second, each on a connection of its own, until the block ends."""
    found, stop = Load(), threading.Event()

    def one() -> None:
        try:
            found.seen.add(request())
        except (OSError, AssertionError) as error:
            found.failures.append(repr(error))
        found.count += 1

    def pace(pool: ThreadPoolExecutor) -> None:
        begun = time.monotonic()
        for number in itertools.count(1):
            pool.submit(one)
            if stop.wait(max(0.0, begun + number / rate - time.monotonic())):
                break
        found.seconds = time.monotonic() - begun

    with ThreadPoolExecutor(16) as pool:
        pacer = threading.Thread(target=pace, args=(pool,))
        pacer.start()
        try:
            yield found
        finally:
            stop.set()
            pacer.join(20)
