"""Thousands of steps: memory, open files and processes of the orchestrator and of the nodes must not grow."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

from peewee import fn

from bench.figures import Figure
from bench.memory import family, resident
from bench.site import NODES, connected, wait_for
from demo.installation import Installation
from lab import access
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.store import tasks

_ACTION = "server.sync_status"
_FULL = 50_000  # steps of a busy day
_AT_ONCE = 100  # rows in the queue
_SECONDS = 300.0  # without the end of a step
_LOOKS = 10  # the first after a tenth of the steps: what is read once is read by then
# On a node: memory of all waiting interpreters in KiB, number of processes, open files of the interpreters.
_LOOK = """
import json, os, re
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
def read(path):
    try:
        return open(path).read()
    except OSError:
        return ""
mark = "sys.stdin.buffer.read"
ours = [pid for pid in pids if mark in read("/proc/%d/cmdline" % pid) and read("/proc/%d/comm" % pid).startswith("python")]
texts = [read("/proc/%d/smaps_rollup" % pid) for pid in ours]
memory = sum(int(found) for text in texts for found in re.findall(r"^Pss: +([0-9]+)", text, re.M))
files = sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in ours)
print(json.dumps({"interpreters": len(ours), "memory": memory * 1024, "files": files, "processes": len(pids)}))
"""


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Run the steps, and look after each tenth of them."""
    with connected(site):
        names = [node.name for node in NODES]
        servers = [row.id for row in Server.select().where(Server.name << names)]
        before_all = tasks.newest()
        began = time.monotonic()
        looks = []
        for share in _shares(options.soak, _LOOKS):
            _work(servers, share)
            looks.append(_look(site))
        mine = (Task.id > before_all) & (Task.action == _ACTION)
        failed = Task.select().where(mine & (Task.status == "error")).count()
        runs = Task.select(fn.COUNT(fn.DISTINCT(Task.lease_token))).where(mine).scalar()
    seconds = time.monotonic() - began
    less = "" if options.soak >= _FULL else f"; the full figure is {_FULL:,}: --soak {_FULL}"
    note = f"{options.soak:,} steps in {runs:,} runs and {seconds:.0f} s{less}"
    return [
        Figure(name="soak, steps that failed", value=failed, unit="", note=note),
        *(_growth(name, [look[name] for look in looks]) for name in looks[0]),
    ]


def _shares(count: int, parts: int) -> list[int]:
    """Return ``count`` in so many parts that differ by one at most."""
    edges = [count * number // parts for number in range(parts + 1)]
    return [after - before for before, after in itertools.pairwise(edges)]


def _work(servers: Sequence[int], count: int) -> None:
    """Keep some rows in the queue, for each server in turn, until so many have ended."""
    mine, given = Task.id > tasks.newest(), 0
    unfinished = Task.select().where(mine & (Task.status << ["queued", "running"]) & (Task.action == _ACTION))
    while given < count:
        room = min(_AT_ONCE - unfinished.count(), count - given)
        for number in range(given, given + room):
            tasks.enqueue(_ACTION, server_id=servers[number % len(servers)])
        given += room
        wait_for(lambda: unfinished.count() < _AT_ONCE, _SECONDS, "a step has ended", pause=0.05)
    wait_for(lambda: unfinished.count() == 0, _SECONDS, "the steps have ended", pause=0.05)


def _look(site: Installation) -> dict[str, float]:
    pid = site.pid()
    assert pid is not None
    own = _settled(pid)
    nodes = [json.loads(access.on(site.lab, node.name, "python3", "-c", _LOOK).stdout) for node in NODES]
    return {
        "orchestrator, memory": resident(own[0]),
        "its template and connections, memory": sum(resident(one) for one in own[1:]),
        "all these, open files": sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in own),
        "all these, processes": len(own),
        "nodes, memory of interpreters": sum(node["memory"] for node in nodes),
        "nodes, open files of interpreters": sum(node["files"] for node in nodes),
        "nodes, processes": sum(node["processes"] for node in nodes),
    }


def _settled(pid: int) -> list[int]:
    """Return the orchestrator's processes when no run is left: the same ones for a second."""
    since, own = time.monotonic(), family(pid)
    wait_for(lambda: not _running(), 60, "no step runs")
    while time.monotonic() - since < 1.0:
        time.sleep(0.1)
        now = family(pid)
        since, own = (since, own) if now == own else (time.monotonic(), now)
    return own


def _running() -> bool:
    return bool(Task.select().where(Task.status == "running").exists())


def _growth(name: str, seen: Sequence[float]) -> Figure:
    is_memory = "memory" in name
    scale, unit = (2**20, "MiB") if is_memory else (1, "")
    each = ", ".join(f"{one / scale:,.{1 if is_memory else 0}f}" for one in seen)
    return Figure(
        name=f"soak, growth: {name}", value=(seen[-1] - seen[0]) / scale, unit=unit, note=f"by tenths: {each}"
    )
