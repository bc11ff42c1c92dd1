"""An installation whose nodes are pretended and whose CA is real: what the names say and what servers show is told by a test."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.certs.office import Office
from orchestrator.certs.proving import Pace
from orchestrator.certs.tls_probe import Place, Shown
from orchestrator.certs.watch import Eyes
from orchestrator.certs.watcher import Watcher
from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.engine import Engine
from orchestrator.models.certificate import AuthorityRow, CertificateRow
from orchestrator.models.task import OutboxRow, Task
from orchestrator.plan.certificates.caa import Asking
from orchestrator.plan.certificates.precheck import Answers
from orchestrator.plan.certificates.view import Leaf
from orchestrator.store import certificates, tasks
from orchestrator.store import fleet as servers
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.executors import RecordingExecutor
from tests.support.pebble import Pebble

SERVICE = 1001
WEB, MAIL = "10.77.0.11", "10.77.0.21"


@dataclass
class World:
    """What is asked from outside, and the queue that works on it."""

    app: Engine
    pebble: Pebble
    home: Path
    elsewhere: set[str] = field(default_factory=set)  # names whose DNS leads away
    shown: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # address and role, of another service address and name -> serial
    broken: set[str] = field(default_factory=set)  # actions that fail on the node
    answers: set[str] = field(default_factory=set)  # servers that answer a CA
    strangers: dict[str, Leaf] = field(default_factory=dict)  # names that show a good certificate which is not ours

    def __post_init__(self) -> None:
        pace = Pace(seconds=20, sleep=lambda _: time.sleep(0.02))
        self.office = Office(
            storage_key=lambda: keys.storage_key(self.home),
            see=self._eyes,
            shown=self._look,
            accepted=lambda place: self.strangers.get(place.name),
            pace=pace,
        )
        self.executor = RecordingExecutor(script=self._on_node)
        self.bench = Bench(self.app, self.executor, self.office)
        self.watcher = Watcher(self.office, "test")
        servers.set_knob("ssl.directory", self.pebble.directory, "test")
        servers.set_knob("ssl.ca_file", self.pebble.ca_file, "test")
        self.pebble.web.thumbprint = self.office.authority().thumbprint

    def _eyes(self, authority: AuthorityRow) -> Eyes:
        assert authority.thumbprint

        def answers(name: str) -> Answers:
            right = MAIL if name.split(".")[0] in ("mail", "webmail", "autoconfig", "autodiscover") else WEB
            return Answers(name=name, ipv4=frozenset({"203.0.113.9" if name in self.elsewhere else right}))

        names = {WEB: "web1", MAIL: "mail1"}
        return Eyes(
            answers=answers,
            reaches=lambda _, address: names.get(address) in self.answers,
            asking=Asking(domains=frozenset({"ca.test"})),
        )

    def _look(self, place: Place) -> Shown:
        role = "web" if place.port == 443 else "mail"
        serial = self.shown.get((place.address, place.name)) or self.shown.get((place.address, role))
        now = utc_now()
        leaf = Leaf(serial=serial, names=(place.name,), not_before=now, not_after=now) if serial else None
        return Shown(leaf=leaf, error="" if leaf else "refused")

    def _on_node(self, request: RunRequest) -> RunResult | None:
        if request.action in self.broken:
            return RunResult(outcome=Outcome.FAILED, reason="config_broken", message="the configuration is broken")
        if request.action == "web.challenge_present":
            self.answers.add(request.host.name)
            self.pebble.web.thumbprint = request.job["params"]["thumbprint"]
        if request.action.endswith(".certificate_present"):
            role = request.action.split(".")[0]
            params, of_others = request.job["params"], request.job["fence"]["service"] != SERVICE
            for name in params["names"] if of_others else ():
                self.shown[request.host.address, name] = params["serial"]
            if not of_others:
                self.shown[request.host.address, role] = params["serial"]
        return None

    def order(self, domain: str = "shop.test", service: int = SERVICE, **more: Any) -> None:
        """Order a service and wait until it is live."""
        params = {"domain": domain, "package": "small", "group": "standard", **more}
        self.ask("service.create", service, **params)

    def ask(self, action: str, service: int = SERVICE, **params: Any) -> Task:
        """Insert a row as another program would, let the queue work, and return it."""
        task = fleet.insert_task({"action": action, "service_id": service, "params": json.dumps(params)})
        self.bench.settle()
        return tasks.get(task)

    def turn(self) -> None:
        """Let everything that waits for time only be due, be looked at, and be worked on."""
        CertificateRow.update(next_check_at=utc_now()).execute()
        self.watcher.poke()
        self.watcher.settle(20)
        self.bench.settle()

    def row(self, role: str = "web") -> CertificateRow:
        """Return a certificate of the service."""
        [row] = [one for one in certificates.of_service(SERVICE) if one.role == role]
        return row

    def until(self, state: str, role: str = "web", turns: int = 6) -> CertificateRow:
        """Take turns until a certificate has come to a state."""
        for _ in range(turns):
            if self.row(role).state == state:
                break
            self.turn()
        found = self.row(role)
        assert found.state == state, (found.state, found.error)
        return found

    def ran(self, action: str) -> list[RunRequest]:
        """Return what was run on nodes of an action."""
        return [one for one in self.executor.requests if one.action == action]

    def orders(self) -> int:
        """Return how many orders have been begun."""
        return Task.select().where(Task.action == "certificate.order").count()

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the notices of an event."""
        return [row.payload for row in OutboxRow.select().where(OutboxRow.event == event).order_by(OutboxRow.id)]
