"""Asking for a challenge through the public way, as the CA will: the last word about whether a name leads here.

The rules are the CA's own (Let's Encrypt's documentation of HTTP-01): at most ten redirects, only to port 80 or 443, certificates
are not looked at, and the answer is short. What a redirect leads to is chosen by a customer, so addresses of this machine and of
its link are never connected to.
"""

from __future__ import annotations

import http.client
import ipaddress
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATH = "/.well-known/acme-challenge/"
_REDIRECTS = 10
_ANSWER_BYTES = 128
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a name is asked."""

    thumbprint: str  # of the account's key: what every node answers with
    resolve: Callable[[str], frozenset[str]]  # host name -> addresses, for redirects
    seconds: float = 5.0
    ports: tuple[int, int] = (80, 443)
    may_connect: Callable[[str], bool] = lambda address: is_public_enough(address)


def is_public_enough(address: str) -> bool:
    """True unless an address is this machine's or its link's own."""
    found = ipaddress.ip_address(address)
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)


def reaches_us(name: str, address: str, request: Request) -> bool | None:
    """True when a request for a challenge of ``name`` at ``address`` is answered by us; None when we could not even try."""
    token = secrets.token_urlsafe(24)
    url, host = f"http://{name}{PATH}{token}", address
    for _ in range(_REDIRECTS + 1):
        if not request.may_connect(host):
            return None
        try:
            status, location, body = _get(url, host, request)
        except OSError as error:
            return None if isinstance(error, socket.gaierror) or _is_our_network(error) else False
        except http.client.HTTPException:
            return False
        if status not in (301, 302, 303, 307, 308):
            return status == 200 and body.strip() == f"{token}.{request.thumbprint}".encode()
        followed = _followed(location, url, name, address, request)
        if followed is None:
            return False
        url, host = followed
    return False


def _is_our_network(error: OSError) -> bool:
    """True when the packet could not leave: without IPv6 of our own nothing is known of an AAAA record."""
    return error.errno in (101, 113) and not isinstance(error, ConnectionRefusedError)  # ENETUNREACH, EHOSTUNREACH


def _followed(location: str, url: str, name: str, address: str, request: Request) -> tuple[str, str] | None:
    """Return where a redirect leads and the address to ask; None when the CA would not follow it."""
    if location.startswith("/"):
        parts = urlsplit(url)
        location = f"{parts.scheme}://{parts.netloc}{location}"
    target = urlsplit(location)
    try:
        port = target.port
    except ValueError:
        return None
    if target.scheme not in _PORTS or port not in (None, _PORTS[target.scheme]) or not target.hostname:
        return None
    if target.hostname == name:
        return location, address
    found = sorted(request.resolve(target.hostname))
    return (location, found[0]) if found else None


def _get(url: str, address: str, request: Request) -> tuple[int, str, bytes]:
    parts = urlsplit(url)
    port = request.ports[parts.scheme == "https"]
    sock = socket.create_connection((address, port), timeout=request.seconds)
    try:
        if parts.scheme == "https":
            sock = _unverified().wrap_socket(sock, server_hostname=parts.hostname)
        connection = http.client.HTTPConnection(parts.hostname or "", timeout=request.seconds)
        connection.sock = sock
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("GET", target, headers={"User-Agent": "tenantry self-test", "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.headers.get("Location", ""), response.read(_ANSWER_BYTES)
    finally:
        sock.close()


def _unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate, as the CA does: there is no good one yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without roots: nothing is to be trusted
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
