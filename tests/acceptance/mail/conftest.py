"""One mail node with two customers' domains, shared by the tests of this folder."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.core.records import RunResult
from tests.support import mail
from tests.support.steps import Steps

NODE = "mail8"
OWN, NEIGHBOUR = 2001, 2002
PASSWORD = "correct horse battery"
DOMAINS = {OWN: "shop.example", NEIGHBOUR: "neighbour.example"}
BOXES = {OWN: ("info", "sales"), NEIGHBOUR: ("info",)}


@dataclass
class MailNode:
    """The node, how steps run on it and what the DKIM steps reported."""

    lab: Lab
    steps: Steps
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return addresses.of(self.lab, NODE).ipv4

    @property
    def address6(self) -> str:
        """Where it is reached over IPv6."""
        return addresses.of(self.lab, NODE).ipv6

    def root(self, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        """Run a program on the node as root and return what it says."""
        return access.on(self.lab, NODE, *argv, stdin=stdin, check=check).stdout

    def python(self, program: str, *argv: str, check: bool = True) -> str:
        """Run a Python program on the node as root."""
        return self.root("python3", "-", *argv, stdin=program, check=check)

    def query(self, table: str, query: str) -> list[list[object]]:
        """Read a lookup table."""
        program = (
            "import json, sqlite3, sys; c = sqlite3.connect('file:/var/lib/tenantry/mail/%s.sqlite?mode=ro' % sys.argv[1], "
            "uri=True); print(json.dumps(c.execute(sys.argv[2]).fetchall()))"
        )
        found: list[list[object]] = json.loads(self.python(program, table, query))
        return found

    def deploy(self, service: int) -> None:
        """Run the chain of a service."""
        done(self.domain(service))
        self.keys[DOMAINS[service]] = done(self.dkim(service)).facts["dkim"]["public_key"]
        for local_part in BOXES[service]:
            done(self.mailbox(local_part, service))

    def step(self, action: str, service: int | None = OWN, *, check: bool = False, **params: object) -> RunResult:
        """Run a mail step."""
        return self.steps.run(NODE, f"mail.{action}", params, service=service, check=check)

    def alias(
        self, local_part: str, *destinations: str, service: int = OWN, check: bool = False, **more: object
    ) -> RunResult:
        """Run mail.alias_present."""
        params = {"domain": DOMAINS.get(service), "local_part": local_part, "destinations": list(destinations)}
        return self.step("alias_present", service, check=check, **({"enabled": True} | params | more))

    def queue(self) -> list[dict[str, object]]:
        """Return what lies in Postfix's queue."""
        return [json.loads(line) for line in self.root("postqueue", "-j").splitlines() if line.startswith("{")]

    def sendmail(self, sender: str, recipient: str, built: EmailMessage) -> None:
        """Send as a program on the node does."""
        self.root("/usr/sbin/sendmail", "-f", sender, recipient, stdin=built.as_string())

    def domain(self, service: int = OWN, *, check: bool = False, **changes: object) -> RunResult:
        """Run mail.domain_present."""
        params = {"domain": DOMAINS.get(service), "quota_mb": 64, "mailboxes": 10} | changes
        return self.steps.run(NODE, "mail.domain_present", params, service=service, check=check)

    def dkim(self, service: int = OWN, *, check: bool = False, **changes: object) -> RunResult:
        """Run mail.dkim_present."""
        params = {"domain": DOMAINS[service], "selector": "t1", "bits": 2048} | changes
        return self.steps.run(NODE, "mail.dkim_present", params, service=service, check=check)

    def mailbox(self, local_part: str, service: int = OWN, *, check: bool = False, **changes: object) -> RunResult:
        """Run mail.mailbox_present."""
        params = {
            "domain": DOMAINS[service],
            "local_part": local_part,
            "password_hash": HASH,
            "quota_mb": 32,
            "display_name": None,
        } | changes
        return self.steps.run(NODE, "mail.mailbox_present", params, service=service, check=check)


HASH = mail.password_hash(PASSWORD)


def done(result: RunResult) -> RunResult:
    """Return the result of a step that had to succeed."""
    assert result.outcome.is_success, (result.outcome, result.reason, result.message)
    return result


@pytest.fixture(scope="package")
def node(lab: Lab, steps: Steps) -> Iterator[MailNode]:
    """Yield a deployed mail node."""
    nodes.up(lab, [NODE])
    found = MailNode(lab, steps)
    try:
        done(steps.prepare(NODE))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(found.deploy, DOMAINS))
        yield found
    finally:
        nodes.down(lab, [NODE])
