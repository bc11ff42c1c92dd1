"""Asking through the public way, on addresses of loopback that stand for servers, CDNs and strangers."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestrator.certs.self_test import PATH, Request, is_public_enough, reaches_us
from orchestrator.certs.tls_probe import Place, Protocol, look
from tests.support.pebble import free_port, server_certificate

Answer = Callable[[str, str], tuple[int, dict[str, str], str]]  # host, path -> status, headers, body


def ours(host: str, path: str) -> tuple[int, dict[str, str], str]:
    del host
    return 200, {}, f"{path.removeprefix(PATH)}.thumb"


def to(location: str) -> Answer:
    return lambda _, path: (301, {"Location": location.replace("PATH", path)}, "")


@contextlib.contextmanager
def web(address: str, port: int, answer: Answer, folder: Path | None = None) -> Iterator[None]:
    """Serve answers, over TLS with a certificate that signs itself when there is a folder for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.headers.get("Host", ""), self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((address, port), Handler)
    if folder is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*server_certificate(folder))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def request_() -> Request:
    return Request(
        thumbprint="thumb",
        resolve=lambda name: frozenset({"127.0.0.2"}) if name == "other.test" else frozenset(),
        seconds=2,
        ports=(free_port(), free_port()),
        may_connect=lambda _: True,
    )


def test_our_own_answer_is_known(request_: Request) -> None:
    with web("127.0.0.1", request_.ports[0], ours):
        assert reaches_us("shop.test", "127.0.0.1", request_) is True
        assert reaches_us("shop.test", "127.0.0.1", replace(request_, thumbprint="another")) is False


def test_32_through_a_proxy_that_forwards_the_path(request_: Request) -> None:
    """What stands at the address is not ours, what answers is."""
    with web("127.0.0.9", request_.ports[0], ours):
        assert reaches_us("shop.test", "127.0.0.9", request_) is True


def test_32_a_redirect_to_https_without_a_good_certificate(request_: Request, tmp_path: Path) -> None:
    with (
        web("127.0.0.1", request_.ports[0], to("https://shop.testPATH")),
        web("127.0.0.1", request_.ports[1], ours, tmp_path),
    ):
        assert reaches_us("shop.test", "127.0.0.1", request_) is True
        shown = look(Place(address="127.0.0.1", port=request_.ports[1], name="localhost"))
        assert shown.is_self_signed
        assert shown.leaf is not None
        assert shown.is_serial(shown.leaf.serial)


def test_a_redirect_to_another_name_is_followed_there(request_: Request) -> None:
    with (
        web("127.0.0.1", request_.ports[0], to("http://other.testPATH")),
        web("127.0.0.2", request_.ports[0], ours),
    ):
        assert reaches_us("shop.test", "127.0.0.1", request_) is True


@pytest.mark.parametrize(
    "location",
    [
        "http://shop.test:8080PATH",
        "ftp://shop.testPATH",
        "http://nowhere.testPATH",
        "http://shop.test:xPATH",
        "PATH",
        "",
        "gopher:",
    ],
)
def test_a_redirect_that_the_ca_would_not_follow_or_that_never_ends(request_: Request, location: str) -> None:
    with web("127.0.0.1", request_.ports[0], to(location)):
        assert reaches_us("shop.test", "127.0.0.1", request_) is False


@pytest.mark.parametrize(
    "answer",
    [
        lambda *_: (404, {}, ""),
        lambda *_: (200, {}, "hello"),
        lambda host, path: (500, {}, ours(host, path)[2]),
        lambda host, path: (200, {}, ours(host, path)[2] + "x" * 500),
    ],
)
def test_an_answer_that_is_not_ours(request_: Request, answer: Answer) -> None:
    with web("127.0.0.1", request_.ports[0], answer):
        assert reaches_us("shop.test", "127.0.0.1", request_) is False


def test_nobody_answers(request_: Request) -> None:
    assert reaches_us("shop.test", "127.0.0.1", request_) is False
    shown = look(Place(address="127.0.0.1", port=request_.ports[1], name="x"))
    assert shown.error == "refused: ConnectionRefusedError"


def test_addresses_of_this_machine_are_never_asked(request_: Request) -> None:
    asked: list[str] = []

    def answer(host: str, path: str) -> tuple[int, dict[str, str], str]:
        asked.append(path)
        return ours(host, path)

    careful = replace(request_, may_connect=is_public_enough)
    with web("127.0.0.1", request_.ports[0], answer):
        assert reaches_us("shop.test", "127.0.0.1", careful) is None
    assert asked == []
    assert not any(map(is_public_enough, ("127.0.0.1", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0")))
    assert all(map(is_public_enough, ("10.78.0.11", "192.0.2.1", "2001:db8::1")))


def test_a_mail_servers_certificate_is_asked_for_by_its_name_after_starttls(tmp_path: Path) -> None:
    """The real one is Postfix, in the acceptance tests; this one tells which name it was asked for."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_certificate(tmp_path))
    context.sni_callback = lambda _, name, __: names.append(name)

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail ESMTP\r\n")
            self.rfile.readline()  # EHLO
            self.wfile.write(b"250-mail\r\n250 STARTTLS\r\n")
            if self.rfile.readline().strip().upper() == b"STARTTLS":
                self.wfile.write(b"220 go ahead\r\n")
                with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True) as secure:
                    secure.recv(1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        shown = look(
            Place(address="127.0.0.1", port=server.server_address[1], name="mail.shop.test", protocol=Protocol.SMTP)
        )
        server.shutdown()
    assert shown.leaf is not None
    assert shown.leaf.names == ("localhost",)
    assert names == ["mail.shop.test"]
