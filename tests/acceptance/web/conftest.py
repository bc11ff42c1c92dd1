"""One web node with two accounts that every test of this folder shares; tests put back what they change."""

from __future__ import annotations

import http.client
import re
import shlex
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab import access, addresses, nodes, snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.support.steps import Steps

NODE = "web8"
GOOD = (Outcome.OK, Outcome.CHANGED)
CHAIN = ("package", "user", "domain", "php", "proxy")
LIMITS = {
    "disk_mb": 1024,
    "inodes": 0,
    "bandwidth_mb": 10240,
    "databases": 1,
    "mailboxes": 5,
    "sftp_accounts": 1,
    "cron_jobs": 1,
    "dns_records": 50,
    "php_version": "8.2",
    "php_memory_mb": 128,
    "php_workers": 5,
}


class Web:
    """Steps and questions on one web node."""

    def __init__(self, lab: Lab, steps: Steps, node: str = NODE) -> None:
        self.lab = lab
        self.steps = steps
        self.node = node

    def params(self, step: str, number: int, domain: str, /, **more: Any) -> dict[str, Any]:
        """Return what a job of the step carries for account w1001, w1002, …"""
        values: dict[str, Any] = {"username": f"w{number}"}
        if step in ("package", "user"):
            values["uid"] = 19000 + number
        if step == "package":
            values["limits"] = LIMITS
        if step == "domain":
            values |= {"domain": domain, "names": [domain, f"www.{domain}"], "document_root": "www"}
        if step == "php":
            values |= {"version": "8.2", "memory_mb": 128, "workers": 5}
        if step == "proxy":
            values |= {"template": "php", "upstream": None}
        return values | more

    def step(
        self, step: str, number: int, domain: str = "", /, *, check: bool = False, owner: int = 0, **more: Any
    ) -> RunResult:
        """Run one step for an account."""
        params = self.params(step, number, domain, **more)
        return self.steps.run(self.node, f"web.{step}_present", params, service=owner or number, check=check)

    def chain(self, number: int, domain: str, *, check: bool = False) -> list[RunResult]:
        """Run all steps of an account in order."""
        return [self.step(step, number, domain, check=check) for step in CHAIN]

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a shell command as root on the node and return its output."""
        done = access.on(self.lab, self.node, "bash", "-c", command, check=check)
        return done.stdout + done.stderr

    def as_user(self, number: int, command: str) -> str:
        """Run a shell command as an account's user; its output and errors, whatever its exit code."""
        return self.run(
            f"setpriv --reuid w{number} --regid w{number} --init-groups bash -c {shlex.quote(command)}", check=False
        )

    def put(self, number: int, name: str, text: str) -> None:
        """Write a page as the account's user."""
        self.as_user(number, f"printf %s {shlex.quote(text)} >/home/w{number}/www/{name}")

    def tree(self) -> snapshot.Tree:
        """Return everything that is managed on the node."""
        return snapshot.tree(self.lab, self.node)

    def get(self, name: str, path: str = "/", *, tls: bool = False, v6: bool = False) -> tuple[int, str]:
        """Return (status, body) of a page, asked for over TCP from outside the node."""
        connection = http.client.HTTPConnection(name, timeout=20)
        connection.sock = self.connect(name, v6=v6) if tls else self._plain(443 if tls else 80, v6)
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")

    def connect(self, name: str, *, v6: bool = False) -> ssl.SSLSocket:
        """Return a TLS connection to the node under a name, its certificate not verified."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(self._plain(443, v6), server_hostname=name)

    def _plain(self, port: int, v6: bool) -> socket.socket:
        address = addresses.of(self.lab, self.node)
        return socket.create_connection((address.ipv6 if v6 else address.ipv4, port), timeout=20)

    def certificate(self, name: str) -> str:
        """Return the fingerprint of the certificate that the node shows for a name."""
        with self.connect(name) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")

    def php_master(self, number: int) -> str:
        """Return the number of the main process of an account's PHP, 0 when it does not run."""
        return self.run(f"systemctl show -p MainPID --value tenantry-php8.2@w{number}.service").strip()


def unchanged(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs, without the guard's own records."""
    lines = snapshot.diff(dict(before), dict(after))
    return [line for line in lines if not re.search(r"/var/lib/tenantry/guard(/|$)", line)]


@pytest.fixture(scope="package")
def web(lab: Lab, steps: Steps) -> Iterator[Web]:
    """Yield a prepared node with the sites shop.test (w1001) and neighbour.test (w1002)."""
    try:
        nodes.down(lab, [NODE])  # what an interrupted run left behind
        nodes.up(lab, [NODE])
        found = Web(lab, steps)
        assert steps.prepare(NODE).outcome in GOOD
        with ThreadPoolExecutor(2) as pool:
            orders = [pool.submit(found.chain, 1001, "shop.test"), pool.submit(found.chain, 1002, "neighbour.test")]
        results = [result for order in orders for result in order.result()]
        assert [(result.outcome, result.message) for result in results if result.outcome not in GOOD] == []
        yield found
    finally:
        nodes.down(lab, [NODE])
