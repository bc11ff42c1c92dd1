"""What the stories share: the nodes, orders as a billing system writes them, and a service seen from outside."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from demo import outside
from demo.installation import GROUP, PACKAGE, Installation, Node
from lab import addresses, snapshot

NODES = tuple(Node(name=name) for name in ("web1", "mail1", "dns1", "dns2"))
# The guard remembers who was there last, and the collector where it stopped: that is their purpose, and no part of a service.
BOOKKEEPING = ("/var/lib/tenantry/guard/*", "/var/lib/tenantry/usage", "/var/lib/tenantry/usage/*")
PASSWORD = "correct horse {{ 7*7 }} 'battery' $(id)"


def sealed(site: Installation, secret: str) -> str:
    """Seal a secret as a billing system does: with the public key that the command line shows."""
    key = load_pem_public_key(site.tenantry("keys", "show-public").stdout.encode())
    assert isinstance(key, RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return base64.b64encode(key.encrypt(secret.encode(), oaep)).decode()


def order(site: Installation, domain: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of an order."""
    params = {"domain": domain, "package": PACKAGE, "group": GROUP, "password_sealed": sealed(site, PASSWORD)}
    return params | more


def insert(site: Installation, service: int, params: dict[str, Any], action: str = "service.create") -> None:
    """Insert a task with the `sqlite3` program."""
    quoted = json.dumps(params).replace("'", "''")
    statement = f"INSERT INTO tasks (action, service_id, params) VALUES ('{action}', {service}, '{quoted}');"
    file = site.database_url.removeprefix("sqlite:///")
    subprocess.run(["sqlite3", file, ".timeout 20000", statement], check=True, capture_output=True, timeout=30)


def address(site: Installation, node: str) -> str:
    """Return the IPv4 address of a node."""
    return addresses.of(site.lab, node).ipv4


def assert_live(site: Installation, domain: str, web: str = "web1", mail: str = "mail1") -> None:
    """Check the page, the answers of both DNS servers, and a message from submission to IMAP with its signature."""
    for name in (domain, f"www.{domain}"):
        for tls in (False, True):
            status, body = outside.page(address(site, web), name, tls=tls)
            assert (status, outside.WELCOME in body) == (200, True), (name, tls, status, body[:300])
    answers = [outside.zone(address(site, dns), domain, outside.DEFAULT_NAMES) for dns in ("dns1", "dns2")]
    assert answers[0] == answers[1]
    assert all(answers[0].values()), answers[0]
    assert answers[0][f"{domain} A"] == [f"3600 A {address(site, web)}"]
    box = f"postmaster@{domain}"
    identity = outside.send(address(site, mail), box, PASSWORD, box, "Grüße\n")
    raw = outside.read(address(site, mail), box, PASSWORD, identity)
    assert outside.signature(raw, address(site, "dns2")) == f"tenantry1 {domain}"


def trees(site: Installation, names: tuple[str, ...] = tuple(node.name for node in NODES)) -> dict[str, snapshot.Tree]:
    """Return what every node holds."""
    return {name: snapshot.tree(site.lab, name, exclude=BOOKKEEPING) for name in names}


def difference(before: dict[str, snapshot.Tree], after: dict[str, snapshot.Tree]) -> list[str]:
    """Say what differs between two looks at the nodes."""
    return [f"{name}: {line}" for name in before for line in snapshot.diff(before[name], after[name])]


def eventually(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds, asking for a fifth of the time at most: some start a program for it."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return
        asked = time.monotonic()
        assert asked < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(max(0.1, 4 * (asked - began)))


@contextmanager
def watched(site: Installation, domain: str, web: str = "web1") -> Iterator[list[str]]:
    """Ask for a page over and over while the block runs; the list holds every answer that was not the page."""
    wrong: list[str] = []
    asked: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.1):
            asked.append(time.monotonic())
            try:
                status, body = outside.page(address(site, web), domain)
                if status != 200 or outside.WELCOME not in body:
                    wrong.append(f"{status} {body[:200]}")
            except OSError as error:
                wrong.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
    assert asked, "the page was never asked for"
