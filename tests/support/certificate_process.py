"""An orchestrator as a process that ends itself by SIGKILL after a certain answer of the CA.

`python -m tests.support.certificate_process FOLDER NUMBER` works on the queue of TENANTRY_DATABASE_URL until SIGTERM. DNS servers
are files in FOLDER, one value a line; what they hold the CA's own DNS answers. After the NUMBERth answer of the CA (0: never)
nothing more happens in it, as after a power cut.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

from orchestrator import logs
from orchestrator.certs.acme_network import Network
from orchestrator.certs.office import Office
from orchestrator.certs.watch import Eyes
from orchestrator.certs.watcher import Watcher
from orchestrator.config import keys
from orchestrator.config.settings import from_environment
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.engine import Engine
from orchestrator.models.certificate import AuthorityRow
from orchestrator.models.fleet import Server
from orchestrator.plan.certificates.caa import Asking
from orchestrator.plan.certificates.precheck import Answers
from orchestrator.scheduler import jobs
from orchestrator.scheduler.loop import Loop
from tests.support.executors import RecordingExecutor


class Zone:
    """The values that DNS servers hold."""

    def __init__(self, folder: Path, management: str) -> None:
        self._folder, self._management = folder, management

    def held(self, server: str) -> set[str]:
        """Return what a server holds."""
        file = self._folder / server
        return set(file.read_text().split()) if file.exists() else set()

    def step(self, request: RunRequest) -> RunResult | None:
        """Do what a step of a DNS server does, and let the CA see it."""
        if request.action.startswith("dns.challenge_"):
            values, held = set(request.job["params"]["values"]), self.held(request.host.name)
            is_present = request.action == "dns.challenge_present"
            (self._folder / request.host.name).write_text(
                "\n".join(sorted(held | values if is_present else held - values))
            )
            for value in values if is_present else ():
                self._publish(request.job["params"]["name"], value)
        return None

    def _publish(self, name: str, value: str) -> None:
        what = json.dumps({"host": name, "value": value}).encode()
        urllib.request.urlopen(f"{self._management}/set-txt", what, timeout=10).close()

    def eyes(self, authority: AuthorityRow) -> Eyes:
        """Return eyes that see these servers."""
        del authority
        servers = [row for row in Server.select() if "dns" in row.role_set()]

        def lacking(_: str, values: frozenset[str]) -> str:
            return next((one.name for one in servers if not values <= self.held(one.name)), "")

        def answers(name: str) -> Answers:
            is_wildcard = name.startswith("*.")
            return Answers(name=name, ipv4=frozenset(one.ipv4 for one in servers) if is_wildcard else frozenset())

        asking = Asking(domains=frozenset({"ca.test"}))
        return Eyes(answers=answers, reaches=lambda *_: None, asking=asking, lacking=lacking)


def die_after(number: int) -> None:
    """End this process as soon as the CA has given its ``number``th answer to a signed request."""
    send, left = Network.post, [number]

    def post(self: Network, *args: Any, **kwargs: Any) -> Any:
        answer = send(self, *args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Network.post = post  # type: ignore[method-assign]


def main(folder: Path, number: int, management: str) -> bool:
    """Run the queue."""
    zone, settings = Zone(folder, management), from_environment()
    die_after(number)
    app = Engine(settings)
    office = Office(storage_key=lambda: keys.storage_key(settings.home), see=zone.eyes)
    worker = app.worker(RecordingExecutor(script=zone.step), office)
    every = jobs.standard(worker.rescue, lambda: None, Watcher(office, worker.owner).poke)
    return Loop(worker, every, settings.drain_seconds).run()


if __name__ == "__main__":
    logs.configure(json_lines=True)
    sys.exit(0 if main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]) else 1)
