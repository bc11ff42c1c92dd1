"""A node in foreign hands says what it likes: its collector's output is replaced, everything else is the real way.

Nothing wrong is stored, the reason is recorded, and memory stays bounded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.memory import family, peak_while, resident
from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.config import keys
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.engine import Engine
from orchestrator.execute.settings import PLAIN
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.models.usage import UsageCollection, UsageCurrent, UsageDay, UsageFigure
from orchestrator.store import fleet as fleet_store
from orchestrator.store import schema, tasks, usage_requests
from orchestrator.store.database import connect, transaction
from tests.support import fleet
from tests.support.bench import Bench, an_app
from tests.support.executors import RecordingExecutor
from tests.support.steps import Steps, host

pytestmark = pytest.mark.lab

NODE = "web7"
MOST_BYTES = 450_000_000  # more, of this process and all that it starts, together
# Python on the node: a program that is the collector is answered by another one, everything else runs as it is.
PYTHON = """#!/usr/bin/python3.11
import os, sys
program = b"" if sys.argv[1:] else sys.stdin.buffer.read()
if b"web_usage" in program:
    sys.stdin.close()
    exec(open("/root/hostile.py").read())
    sys.exit(0)
if program:
    kept = os.memfd_create("program")
    os.write(kept, program)
    os.lseek(kept, 0, 0)
    os.dup2(kept, 0)
os.execv("/usr/bin/python3.11", ["/usr/bin/python3", *sys.argv[1:]])
"""
HONEST = {"disk": 500, "files": 5, "age": 0, "databases": 1, "database_bytes": 300, "sftp": 0, "cron": 0, "days": ""}


class RealCollections(RecordingExecutor):
    """Collects from the real node; the steps of a deploy are not what this is about."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.real = steps.executor

    def run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        """Run a collection on the node."""
        chosen = self.real.run if request.action == usage_requests.USAGE else super().run
        return chosen(request, cancelled)


class World:
    """The node, the orchestrator over a database of its own, and what the node is to say."""

    def __init__(self, lab: Lab, bench: Bench) -> None:
        self.lab, self.bench = lab, bench
        self.peak = 0

    def say(self, program: str) -> None:
        """Let the collector be this program from now on."""
        access.on(self.lab, NODE, "bash", "-c", f"cat > /root/hostile.py <<'PROGRAM'\n{program}\nPROGRAM")

    def collect(self) -> tuple[Task, str]:
        """Collect and return the task, and everything that was recorded of it."""
        number = Server.get(Server.name == NODE).id
        task = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "test"))
        before = sum(resident(one) for one in family(os.getpid()))  # this process does more than this test
        with peak_while(os.getpid()) as peak:
            self.bench.settle(240)
        self.peak = max(self.peak, peak.bytes - before)
        row = tasks.get(task)
        return row, " ".join([str(row.error), json.dumps(row.result), *problems()])


def problems() -> list[str]:
    """Return what was not believed at the last collection."""
    row = UsageCollection.get_or_none(UsageCollection.role == "web")
    return list(row.problems) if row else []


def stored() -> list[tuple[Any, ...]]:
    """Return every figure that is stored, without its age."""
    found: list[tuple[Any, ...]] = []
    for model, columns in (
        (UsageFigure, ("service_id", "metric", "server_id", "value")),
        (UsageDay, ("service_id", "day", "metric", "base", "last")),
        (UsageCurrent, ("service_id", "metric", "period", "value")),
    ):
        found += sorted(model.select(*(getattr(model, name) for name in columns)).tuples())
    return found


def report(accounts: Any = None, **more: Any) -> str:
    """Return a program that prints a collector's result; ``more`` goes over the role's report."""
    said = {
        "through": "DAY",
        "complete": True,
        "accounts": accounts if accounts is not None else {"s1": HONEST},
        **more,
    }
    return result({"web": said})


def result(usage: Any, warnings: Any = ()) -> str:
    """Return a program that prints a module's result; today is filled in where it says DAY."""
    text = json.dumps({"changed": False, "facts": {}, "usage": usage, "step_warnings": list(warnings), "diff": []})
    return (
        "import sys, time\n"
        f"text = {text!r}.replace('\"DAY\"', time.strftime('%Y%m%d', time.gmtime()))\n"
        "sys.stdout.buffer.write(text.replace('DAY', time.strftime('%Y%m%d', time.gmtime())).encode())"
    )


def account(**figures: Any) -> str:
    return report({"s1": {**HONEST, **figures}})


MANY = (
    "import json, sys\naccounts = {'s%d' % number: {'disk': 1} for number in range(100_000)}\n"
    "print(json.dumps({'changed': False, 'usage': {'web': {'complete': True, 'accounts': accounts}}}))"
)
RAW = "import sys\nsys.stdout.buffer.write({})"
# what the collector does -> what is recorded. What is right in the same report is HONEST, so nothing stored may change.
CORPUS: dict[str, tuple[str, str]] = {
    "a figure that is no number": (account(disk=float("nan")), "no bounded text, number"),
    "an infinite one": (account(disk=float("inf")), "no bounded text, number"),
    "1e308": (account(disk=1e308), "web_disk is no whole number"),
    "2^63": (account(database_bytes=2**63), "no bounded text, number"),
    "2^63 - 1": (account(database_bytes=2**63 - 1), "database_disk is no whole number"),
    "10^5000": (RAW.format("b'{\"usage\": {\"web\": ' + b'9' * 5000 + b'}}'"), ""),
    "a negative one": (account(files=-1), "web_files is no whole number"),
    "a truth value": (account(databases=True), "databases is no whole number"),
    "a text": (account(databases="12"), "databases is no whole number"),
    "counters of a day that was not asked for": (account(days="19990101:5:5"), "19990101 is none of the days"),
    "counters beyond all bounds": (account(days=f"DAY:{2**52}:1"), "out of range"),
    "an account of another node": (report({"s1": HONEST, "s2": {**HONEST, "disk": 7}}), "do not live on this server"),
    "an account of nobody": (report({"s1": HONEST, "root": HONEST}), "do not live on this server"),
    "100,000 unknown users": (MANY, "cannot be used"),
    "HTML as a name": (report({"<script>alert(1)</script>": HONEST}), "no plain name"),
    "escape sequences": (account(days="\x1b]0;owned\x07\x1b[2J"), "days cannot be read"),
    "a template": (account(days="{{ lookup('pipe', 'id > /tmp/owned') }}"), "days cannot be read"),
    "warnings in colours": (result({"web": 1}, ["\x1b[31m<b>{{ 7 * 7 }}</b>"] * 500), "no report of usage"),
    "accounts that are a list": (report([HONEST]), "no report of usage"),
    "no JSON": (RAW.format("b'hello'"), ""),
    "invalid UTF-8": (RAW.format('b\'{"usage": {"web": {"accounts": {"s1\\xff\\xfe": {}}}}}\''), ""),
    "nested ten thousand deep": (RAW.format("b'{\"usage\": ' + b'[' * 10000 + b']' * 10000 + b'}'"), ""),
    "50 MB": (RAW.format("b'{\"usage\": {\"web\": \"' + b'x' * 50_000_000 + b'\"}}'"), ""),
    "endless": ("import os\nwhile True: os.write(1, b'x' * 65536)", ""),
}


@pytest.fixture(scope="module")
def world(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield the world with service 1 on the hostile node and service 2 on another one.

    Everything is started anew there: a program that is kept on the node would not be the one that was replaced.
    """
    nodes.up(lab, [NODE])
    steps = Steps(lab, tmp_path_factory.mktemp("runs"), PLAIN)
    home = tmp_path_factory.mktemp("home")
    keys.ensure_private_key(home)
    url = f"sqlite:///{home}/tenantry.db"
    connect(url)
    schema.upgrade()
    try:
        found = World(lab, ordered(lab, an_app(url, home), steps))
        found.say(report())
        access.on(lab, NODE, "bash", "-c", f"rm /usr/bin/python3 && cat > /usr/bin/python3 <<'PROGRAM'\n{PYTHON}PROGRAM\n"
                  "chmod 755 /usr/bin/python3")  # fmt: skip
        yield found
        found.bench.worker.drain(5)
    finally:
        steps.executor.close()
        nodes.down(lab, [NODE])


def ordered(lab: Lab, app: Engine, steps: Steps) -> Bench:
    """Return a worker with a service on each of two web servers."""
    fleet_store.set_knob("tasks.max_attempts", "1", "test")
    fleet.build({})
    for number, name in enumerate((NODE, "web8"), 1):
        keys_of = "\n".join(host(lab, NODE).host_keys)
        fleet.add_server(name, addresses.of(lab, NODE).ipv4, "web", host_keys=keys_of, login=host(lab, NODE).login)
        fleet_store.add_group(f"group{number}", {})
        fleet_store.join_group(name, f"group{number}")
    bench = Bench(app, RealCollections(steps))
    for number in (1, 2):
        params = {"domain": f"shop{number}.test", "package": "small", "group": f"group{number}", "roles": ["web"]}
        tasks.enqueue("service.create", service_id=number, params=params)
    bench.settle(60)
    return bench


def test_nothing_wrong_is_stored_and_the_reason_is_recorded(world: World) -> None:
    row, said = world.collect()
    assert row.status == "done" and problems() == [], said
    honest = stored()
    assert (1, "web_disk", 500) in [(one[0], one[1], one[3]) for one in honest]
    for what, (program, reason) in CORPUS.items():
        world.say(program)
        row, said = world.collect()
        assert stored() == honest, what
        assert row.status == "error" or problems(), (what, said)
        assert reason in said, (what, said)
        assert "\\u001b" not in said and "\x1b" not in said, (what, said)
        assert len(said) < 20_000, what
        print(f"{what}: {row.error or problems()}")
    assert access.on(world.lab, NODE, "true").returncode == 0
    assert not Path("/tmp/owned").exists()
    print(f"at most {world.peak / 1e6:.0f} MB more")
    assert 0 < world.peak < MOST_BYTES


def test_the_same_node_is_believed_again_when_it_behaves(world: World) -> None:
    world.say(account(disk=501))
    row, said = world.collect()
    assert row.status == "done" and problems() == [], said
    assert UsageFigure.get((UsageFigure.service_id == 1) & (UsageFigure.metric == "web_disk")).value == 501
