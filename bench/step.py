"""One step that changes nothing: a row inserted until its result is recorded, and the same playbook by ansible-playbook."""

from __future__ import annotations

import argparse
import time

from bench import by_hand
from bench.figures import Figure, median, spread
from bench.site import connected, wait_for
from demo.installation import Installation
from orchestrator.core.records import RunRequest
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.store import fleet, tasks

_ACTION, _NODE = "server.sync_status", "dns1"
_WARM_UP = 6


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Measure both in turn, and the orchestrator's plain way on its own."""
    with connected(site):
        server = Server.get(Server.name == _NODE)
        job = {"action": _ACTION, "params": {"roles": ["dns"]}}
        request = RunRequest(action=_ACTION, host=fleet.host(server), job=job, timeout_seconds=60)
        for _ in range(_WARM_UP):
            _row(server.id)
        ours, theirs = [], []
        for _ in range(options.steps):
            theirs.append(by_hand.run(site, [request]))
            ours += [_row(server.id), _row(server.id)]
    ratio = median(theirs) / median(ours)
    return [
        Figure(name="a step that changes nothing, row to result", value=median(ours), unit="s", note=spread(ours)),
        Figure(name="the same by ansible-playbook", value=median(theirs), unit="s", note=spread(theirs)),
        Figure(name="ansible-playbook / orchestrator", value=ratio, unit="×", note="wanted: ≥ 6; measured in turn"),
    ]


def _row(server: int) -> float:
    """Return the seconds from a row to its result."""
    began = time.monotonic()
    task = tasks.enqueue(_ACTION, server_id=server)
    wait_for(lambda: _is_done(task), 60, f"task {task} is done", pause=0.005)
    return time.monotonic() - began


def _is_done(task: int) -> bool:
    row = database.execute_sql(f"SELECT status FROM tasks WHERE id = {task:d}").fetchone()
    return bool(row[0] == "done")
