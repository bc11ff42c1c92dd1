"""Many at once: steps for every node without a pause, and a hundred orders."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import timedelta

from bench.figures import Figure, median, percentile
from bench.memory import peak_while
from bench.site import NODES, connected, is_active, order, wait_for
from demo.installation import Installation
from lab import nodes
from orchestrator.models.fleet import Server
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.store import tasks

_WAIT_SECONDS = 3600.0
_FIRST = 20_000  # number of the first service


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Measure in this order: steps, orders."""
    with connected(site):
        return [*_steps(site, options.burst), *_orders(site, options.orders)]


def _pid(site: Installation) -> int:
    pid = site.pid()
    assert pid is not None
    return pid


def _steps(site: Installation, count: int) -> list[Figure]:
    """Return the rate at which steps for all nodes are carried out and recorded, when it has been at work for a while."""
    names = [node.name for node in NODES]
    servers = [server.id for server in Server.select().where(Server.name << names)]
    cold = max(count // 4, 1)
    cold_seconds = _burst(servers, cold)
    with peak_while(_pid(site)) as peak:
        seconds = _burst(servers, count)
    note = f"wanted: ≥ 8; {count} rows at once; {cold / cold_seconds:.1f} /s for {cold} before them"
    return [
        Figure(name="steps on four nodes", value=count / seconds, unit="/s", note=note),
        Figure(
            name="peak memory meanwhile", value=peak.bytes / 2**20, unit="MiB", note="orchestrator and all its runs"
        ),
    ]


def _burst(servers: Sequence[int], count: int) -> float:
    """Return the seconds in which so many rows, for each server in turn, are done."""
    began = time.monotonic()
    rows = [tasks.enqueue("server.sync_status", server_id=servers[n % len(servers)]) for n in range(count)]
    done = Task.select().where((Task.id << rows) & (Task.status == "done"))
    wait_for(lambda: done.count() == count, _WAIT_SECONDS, "all steps are done", pause=0.1)
    return time.monotonic() - began


def _orders(site: Installation, count: int) -> list[Figure]:
    """Return how long orders take that were all placed at once."""
    ids = list(range(_FIRST, _FIRST + count))
    before = _of_nodes(site)
    with peak_while(_pid(site)) as peak:
        began = time.monotonic()
        for service in ids:
            tasks.enqueue("service.create", service_id=service, params=order(service))
        wait_for(lambda: _active(ids) == count, _WAIT_SECONDS, f"{count} services are active", pause=0.2)
        seconds = time.monotonic() - began
    taken, after = [_seconds_of(service) for service in ids], _of_nodes(site)
    assert is_active(ids[-1])
    return [
        Figure(name=f"{count} orders at once, until all are active", value=seconds, unit="s"),
        Figure(name="one of them, from order to active, p50", value=median(taken), unit="s"),
        Figure(name="one of them, from order to active, p95", value=percentile(taken, 0.95), unit="s"),
        Figure(
            name="peak memory meanwhile", value=peak.bytes / 2**20, unit="MiB", note="orchestrator and all its runs"
        ),
        *(
            Figure(name=f"memory of {name} with them", value=now, unit="MiB", note=f"without them {before[name]} MiB")
            for name, now in after.items()
        ),
    ]


def _of_nodes(site: Installation) -> dict[str, int]:
    """Return the MiB that all processes of each node use, what they share counted in parts."""
    return {one.name: one.memory_mib for one in nodes.status(site.lab)}


def _active(ids: list[int]) -> int:
    return int(Service.select().where((Service.id << ids) & (Service.status == "active")).count())


def _seconds_of(service: int) -> float:
    """Return the seconds from the order to the step that recorded that the service is live."""
    ordered = Task.get((Task.service_id == service) & (Task.action == "service.create")).created_at
    finished = Task.get((Task.service_id == service) & (Task.action == "service.status_active")).finished_at
    taken: timedelta = finished - ordered
    return taken.total_seconds()
