"""One node of every role with an account, a mailbox and a zone, whose usage is counted by the tests themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.core.records import RunResult
from tests.support import examples, mail
from tests.support.steps import Steps

NODE = "web6"
ROLES = ("web", "mail", "dns")
OWNER = "s1001"
PASSWORD = "correct horse battery"
DAYS = [{"day": 20200101, "start": 1577836800}]
CHAIN = (
    "web.package_present",
    "web.user_present",
    "web.domain_present",
    "web.php_present",
    "web.proxy_present",
    "web.database_present",
    "mail.domain_present",
    "dns.zone_present",
)


class Node:
    """The node, and what was sent to it and came back."""

    def __init__(self, lab: Lab, steps: Steps) -> None:
        self.lab, self.steps = lab, steps
        self.sent = self.received = 0
        self.domain: str = examples.params("web.domain_present")["domain"]

    @property
    def address(self) -> str:
        """Where it is reached."""
        return addresses.of(self.lab, NODE).ipv4

    def root(self, command: str, *, check: bool = True) -> str:
        """Run a shell command as root."""
        return access.on(self.lab, NODE, "bash", "-c", command, check=check).stdout

    def step(self, action: str, params: dict[str, Any], *, check: bool = False) -> RunResult:
        """Run one step of the service."""
        return self.steps.run(NODE, action, params, service=1001, roles=ROLES, check=check)

    def collect(self, days: list[dict[str, int]] | None = None, *, check: bool = False) -> RunResult:
        """Run server.sync_usage."""
        params = {"roles": list(ROLES), "fresh_seconds": 0, "days": days or DAYS}
        return self.steps.run(NODE, "server.sync_usage", params, roles=ROLES, check=check, timeout=600)

    def usage(self, days: list[dict[str, int]] | None = None) -> dict[str, Any]:
        """Return what the node reports of the service, by role."""
        result = self.collect(days)
        assert result.outcome.is_success, result.message
        return {role: result.usage[role]["accounts"][OWNER] for role in ROLES}

    def traffic(self) -> tuple[int, int]:
        """Return the bytes in and out of all days."""
        days = [part.split(":") for part in self.usage()["web"]["days"].split()]
        return sum(int(day[1]) for day in days), sum(int(day[2]) for day in days)

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"") -> bytes:
        """Make one request and count every byte that goes and comes, as the node has to."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.domain}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        request, answer = head.encode() + body, b""
        with socket.create_connection((self.address, 80), timeout=20) as connection:
            connection.sendall(request)
            while block := connection.recv(65536):
                answer += block
        self.sent += len(request)
        self.received += len(answer)
        return answer


@pytest.fixture(scope="module")
def node(lab: Lab, steps: Steps) -> Iterator[Node]:
    """Yield the node with the service on it."""
    nodes.up(lab, [NODE])
    found = Node(lab, steps)
    try:
        prepared = steps.prepare(NODE, ROLES)
        assert prepared.outcome.is_success, prepared.message
        for action in CHAIN:
            done = found.step(action, examples.params(action))
            assert done.outcome.is_success, (action, done.message)
        box = examples.params("mail.mailbox_present") | {"password_hash": mail.password_hash(PASSWORD)}
        done = found.step("mail.mailbox_present", box)
        assert done.outcome.is_success, done.message
        yield found
    finally:
        nodes.down(lab, [NODE])
