"""Thousands of steps: memory, open files and processes of the orchestrator and of a node must not grow."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure
from bench.memory import family, resident
from bench.site import connected, wait_for
from demo.installation import Installation
from lab import access
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.store import tasks

_NODE = "dns1"
_AT_ONCE = 8  # rows in the queue
_FIRST_SHARE = 0.1  # of the runs come before the first look: what is read once is read by then
# On the node: memory of all waiting interpreters in KiB, number of processes, open files of the interpreters.
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
    """Run the steps, and look after a tenth of them and at the end."""
    with connected(site):
        server = Server.get(Server.name == _NODE).id
        first = max(int(options.soak * _FIRST_SHARE), 1)
        began = time.monotonic()
        _work(server, first)
        before = _look(site)
        _work(server, options.soak - first)
        after = _look(site)
        failed = Task.select().where((Task.action == "server.sync_status") & (Task.status == "error")).count()
    seconds = time.monotonic() - began
    note = f"{options.soak} runs in {seconds:.0f} s; the full figure is 50,000: --soak 50000"
    return [
        Figure(name="soak, steps that failed", value=failed, unit="", note=note),
        *(_growth(name, before[name], after[name]) for name in before),
    ]


def _work(server: int, count: int) -> None:
    """Keep some rows in the queue until so many are done."""
    left = count
    while left:
        rows = [tasks.enqueue("server.sync_status", server_id=server) for _ in range(min(_AT_ONCE, left))]
        left -= len(rows)
        wait_for(_ended(rows), 300, "the steps have ended", pause=0.05)


def _ended(rows: list[int]) -> Callable[[], bool]:
    query = Task.select().where((Task.id << rows) & (Task.status << ["done", "error"]))
    return lambda: query.count() == len(rows)


def _look(site: Installation) -> dict[str, float]:
    pid = site.pid()
    assert pid is not None
    own = _settled(pid)
    node = json.loads(access.on(site.lab, _NODE, "python3", "-c", _LOOK).stdout)
    return {
        "orchestrator, memory": sum(resident(one) for one in own),
        "orchestrator, open files": sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in own),
        "orchestrator, processes": len(own),
        "node, memory of interpreters": node["memory"],
        "node, open files of interpreters": node["files"],
        "node, processes": node["processes"],
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


def _growth(name: str, before: float, after: float) -> Figure:
    is_memory = "memory" in name
    scale, unit = (2**20, "MiB") if is_memory else (1, "")
    note = f"{before / scale:,.1f} after a tenth, {after / scale:,.1f} at the end"
    return Figure(name=f"soak, growth: {name}", value=(after - before) / scale, unit=unit, note=note)
