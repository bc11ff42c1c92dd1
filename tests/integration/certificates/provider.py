"""A provider's domain with services below it: DNS servers that are pretended, a CA that is real and asks them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.certs.watch import Eyes
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.engine import Engine
from orchestrator.lifecycle import parents as said
from orchestrator.models.certificate import AuthorityRow, CertificateRow
from orchestrator.models.task import Task
from orchestrator.plan.certificates.caa import Asking
from orchestrator.plan.certificates.precheck import Answers
from orchestrator.store import tasks
from tests.integration.certificates.world import SERVICE, World
from tests.support import fleet
from tests.support.pebble import Pebble

PARENT, OWNER = "provider.test", 900
NAME = f"_acme-challenge.{PARENT}."
DNS = {"dns1": "10.77.0.31", "dns2": "10.77.0.32"}


class Provider(World):
    """A world in which DNS servers hold what steps publish, and the CA asks them."""

    def __post_init__(self) -> None:
        self.texts: dict[str, set[str]] = {name: set() for name in DNS}
        self.published: set[str] = set()
        self.servers = set(DNS.values())  # that the zone is delegated to
        self.seen: list[frozenset[str]] = []  # values that were asked for before the CA was told to look
        super().__post_init__()

    def _eyes(self, authority: AuthorityRow) -> Eyes:
        plain = super()._eyes(authority)

        def answers(name: str) -> Answers:
            is_wildcard = name.startswith("*.")
            return Answers(name=name, ipv4=frozenset(self.servers)) if is_wildcard else plain.answers(name)

        def lacking(name: str, values: frozenset[str]) -> str:
            assert name == NAME
            self.seen.append(values)
            return next((f"{one} does not answer" for one, held in self.texts.items() if not values <= held), "")

        asking = Asking(domains=frozenset({"ca.test"}))
        return Eyes(answers=answers, reaches=plain.reaches, asking=asking, lacking=lacking)

    def _on_node(self, request: RunRequest) -> RunResult | None:
        result = super()._on_node(request)
        if result is None and request.action.startswith("dns.challenge_"):
            self._publish(request)
        return result

    def _publish(self, request: RunRequest) -> None:
        params, held = request.job["params"], self.texts[request.host.name]
        assert (params["zone"], params["name"]) == (f"{PARENT}.", NAME)
        assert request.job["service"]["owner"] == f"s{OWNER}"
        values = set(params["values"])
        if request.action == "dns.challenge_present":
            held |= values
            for value in values - self.published:
                self.pebble.dns("set-txt", host=NAME, value=value)
            self.published |= values
        else:
            held -= values

    def wildcard(self) -> CertificateRow:
        """Return the provider's certificate."""
        return CertificateRow.get(CertificateRow.parent_id.is_null(False))

    def until_wildcard(self, state: str, turns: int = 8) -> CertificateRow:
        """Take turns until the wildcard has come to a state."""
        for _ in range(turns):
            if self.wildcard().state == state:
                break
            self.turn()
        found = self.wildcard()
        assert found.state == state, (found.state, found.error)
        return found

    def vanity(self, service: int, name: str) -> None:
        """Order a vanity service."""
        params = {"mode": "vanity", "vanity_name": name, "parent_domain": PARENT}
        self.ask_for(service, "service.create", package="small", group="standard", **params)

    def ask_for(self, service: int, action: str, **params: Any) -> Task:
        """Ask for something of another service."""
        number = fleet.insert_task({"action": action, "service_id": service, "params": json.dumps(params)})
        self.bench.settle()
        return tasks.get(number)


def provider(app: Engine, pebble: Pebble, home: Path, **world: Any) -> Provider:
    """Return an installation with a provider's own service, its parent domain and one vanity service."""
    fleet.build(alias_domains=5)
    made = Provider(app, pebble, home, **world)
    made.ask_for(OWNER, "service.create", domain=PARENT, package="small", group="standard", roles=["mail", "dns"])
    mail = {"mail_server": "mail1", "mail_user": f"s{OWNER}"}
    said.add(said.Said(name=PARENT, dns="push", zone_owner=f"s{OWNER}", group="standard", **mail))
    made.vanity(SERVICE, "anna")
    return made
