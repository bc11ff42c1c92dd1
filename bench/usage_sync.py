"""A collection of a thousand accounts from one web node and a thousand mailboxes from one mail node, against other ways."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import usage_nodes
from bench.figures import Figure
from bench.queue import sqlite_schema
from demo.installation import PROJECT
from lab import access, addresses, config, nodes
from lab.config import Lab
from orchestrator.config.settings import from_environment
from orchestrator.core.errors import TenantryError
from orchestrator.dispatch.worker import Worker
from orchestrator.engine import Engine
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import ExecutorSettings
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.models.usage import UsageFigure
from orchestrator.store import usage_requests
from orchestrator.store.database import transaction
from tests.support import fleet
from tests.support.steps import Steps, host

_NODES = {"web": "web9", "mail": "mail9"}
_CALLS = 50  # accounts that are asked for one by one; the rest is scaled
_WITHIN = 1200.0
_FILL_SECONDS = 900.0


def run(options: argparse.Namespace) -> list[Figure]:
    """Boot the two nodes, fill them and measure each way on each."""
    lab = config.load()
    nodes.up(lab, list(_NODES.values()))
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder, sqlite_schema():
        home = Path(folder)
        worker = _orchestrator(lab, home, options.accounts)
        for role, node in _NODES.items():
            _fill(lab, home, role, node, options.accounts)
            found += list(_measured(lab, worker, role, node, options.accounts))
        worker.drain(5)
    return found


def _orchestrator(lab: Lab, folder: Path, accounts: int) -> Worker:
    """Return a worker over a database that knows both servers and all services."""
    fleet.build({})
    for role, node in _NODES.items():
        target = host(lab, node)
        more = {"host_keys": "\n".join(target.host_keys), "login": target.login}
        fleet.add_server(node, addresses.of(lab, node).ipv4, role, **more)
    numbers = f"(WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {int(accounts)}) SELECT id FROM n)"
    places = " UNION ALL ".join(
        f"SELECT id, '{role}', {Server.get(Server.name == node).id} FROM {numbers}" for role, node in _NODES.items()
    )
    for statement in (
        "INSERT INTO services (id, domain, status, mode, roles, group_id, package_id, limits, username, uid, dkim_public_key) "
        "SELECT id, 'shop' || id || '.test', 'active', 'split', 'web,mail', 1, 1, '{}', 'w' || id, 30000 + id, '' FROM "
        + numbers,
        f"INSERT INTO placements (service_id, role, server_id) {places}",
        "INSERT INTO mailboxes (service_id, domain, local_part, password_hash, quota_mb) "
        f"SELECT id, 'shop' || id || '.test', 'postmaster', '!', 100 FROM {numbers}",
    ):
        transaction(lambda statement=statement: database.execute_sql(statement))
    settings = ExecutorSettings(project_root=PROJECT, run_root=folder / "runs", private_key=lab.key)
    app = Engine(
        from_environment({"TENANTRY_DATABASE_URL": f"sqlite:///{database.database}", "TENANTRY_HOME": str(folder)})
    )
    worker = app.worker(AnsibleExecutor(settings))
    worker.start()
    return worker


def _fill(lab: Lab, folder: Path, role: str, node: str, accounts: int) -> None:
    """Prepare a node and make its accounts there, without the orchestrator."""
    prepared = Steps(lab, folder / "prepare").prepare(node)
    if not prepared.outcome.is_success:
        raise RuntimeError(f"{node}: {prepared.message}")
    program = (usage_nodes.WEB if role == "web" else usage_nodes.MAIL).format(accounts=accounts)
    access.on(lab, node, "python3", "-", stdin=program, timeout=_FILL_SECONDS)


class Cost:
    """Wall time and the node's processor time of a stretch of work, in seconds, and SSH logins that it took."""

    wall = processor = 0.0
    logins = 0


@contextmanager
def _cost(lab: Lab, node: str) -> Iterator[Cost]:
    found, before, began = Cost(), _state(lab, node), time.monotonic()
    yield found
    found.wall = time.monotonic() - began
    after = _state(lab, node)
    found.processor = (after[0] - before[0]) / 1e6
    found.logins = after[1] - before[1] - 1  # the look itself is one


def _state(lab: Lab, node: str) -> tuple[int, int]:
    """Return (microseconds of processor time of the node's cgroup, logins so far)."""
    look = "sed -n 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat; journalctl -q -t sshd | grep -c 'Accepted publickey'"
    access.leave(lab, node)  # so that each look is one login
    first, second = access.on(lab, node, "bash", "-c", look).stdout.split()
    return int(first), int(second)


def _measured(lab: Lab, worker: Worker, role: str, node: str, accounts: int) -> Iterator[Figure]:
    what = f"{accounts:,} {'accounts' if role == 'web' else 'mailboxes'}"
    ways: dict[str, tuple[Callable[[], object], float]] = {
        "first collection": (lambda: _collect(worker, node), 1),
        "collection": (lambda: _collect(worker, node), 1),
        "the bare commands on the node": (lambda: _typed(lab, node, usage_nodes.BARE[role]), 1),
        "one call per account": (
            lambda: _one_by_one(lab, role, node, min(_CALLS, accounts)),
            accounts / min(_CALLS, accounts),
        ),
    }
    for label, (work, factor) in ways.items():
        with _cost(lab, node) as cost:
            work()
        scaled = "" if factor == 1 else f", scaled from {min(_CALLS, accounts)}"
        note = f"node's processor {cost.processor * factor:.1f} s, {cost.logins * factor:.0f} SSH logins{scaled}"
        yield Figure(name=f"{what}: {label}", value=cost.wall * factor, unit="s", note=note)
    known = UsageFigure.select().where(UsageFigure.metric == ("web_disk" if role == "web" else "mail_disk")).count()
    runs = Task.select().where(Task.action == usage_requests.USAGE).count()
    yield Figure(
        name=f"{what}: services with figures", value=known, unit="", note=f"{runs} playbook runs so far, all nodes"
    )


def _collect(worker: Worker, node: str) -> None:
    """Collect through the queue, until the figures are stored."""
    number = Server.get(Server.name == node).id
    task = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "bench"))
    deadline = time.monotonic() + _WITHIN
    while (row := Task.get_by_id(task)).status != "done":
        worker.pass_once()
        worker.wait(0.02)
        if row.status == "error" or time.monotonic() > deadline:
            raise TenantryError(f"{node}: {row.status}: {row.error}")


def _typed(lab: Lab, node: str, command: str) -> None:
    access.on(lab, node, "bash", "-c", command, timeout=_WITHIN)


def _one_by_one(lab: Lab, role: str, node: str, calls: int) -> None:
    for number in range(1, calls + 1):
        access.leave(lab, node)
        access.on(lab, node, "bash", "-c", usage_nodes.ONE[role].format(number=number))
