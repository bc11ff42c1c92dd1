"""Two hundred customers look at their pages at once: what the server needs, which is a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import requests

from bench.figures import Figure
from bench.memory import peak_while, processor_seconds
from bench.site import wait_for
from orchestrator.config import keys
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core import links
from orchestrator.core.clock import utc_now
from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task

_WATCHERS, _SECONDS = 200, 20
_STEPS = 14  # of the deploy of a split service
_NOTICED_SECONDS = 6  # a page at rest is looked at every five seconds
_PATIENCE = 60.0


def run(name: str, url: str, home: Path) -> list[Figure]:
    """Watch services 1 to 200 of a filled database, at rest and while all of them are being deployed."""
    with _server(url, home) as (pid, site), _watchers(site, home):
        found = _measured(f"{name}: {_WATCHERS} watch a page at rest", pid)
        for service in range(1, _WATCHERS + 1):
            _deploying(service)
        time.sleep(_NOTICED_SECONDS)
        return [*found, *_measured(f"{name}: {_WATCHERS} watch a deploy", pid)]


def _deploying(service: int) -> None:
    """Let a service look as in the midst of its deploy: each look finds as many steps as that has."""
    about = {"intent": "service.create", "intent_task_id": 1, "service_id": service, "generation": 1}
    begun = Operation.create(**about, status="running", requested_by="bench", created_at=utc_now())
    steps = Task.select(Task.id).where(Task.service_id == service).limit(_STEPS)
    Task.update(operation_id=begun.id).where(Task.id << [row.id for row in steps]).execute()
    Service.update(status="deploying").where(Service.id == service).execute()


def _measured(name: str, pid: int) -> list[Figure]:
    with peak_while(pid) as peak:
        begun, spent = time.monotonic(), processor_seconds(pid)
        time.sleep(_SECONDS)
        share = 100 * (processor_seconds(pid) - spent) / (time.monotonic() - begun)
    return [
        Figure(name=name, value=share, unit="% of a core", note=f"{_SECONDS} s, the server alone"),
        Figure(name=f"{name}, memory", value=peak.bytes / 2**20, unit="MiB", note="of the server at its most"),
    ]


@contextlib.contextmanager
def _server(url: str, home: Path) -> Iterator[tuple[int, str]]:
    """Yield (process id, address) of `tenantry serve`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "TENANTRY_DATABASE_URL": url, "TENANTRY_HOME": str(home)}
    command = [sys.executable, "-m", "orchestrator", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL)
    try:
        site = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(site), _PATIENCE, "the server answers")
        yield process.pid, site
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _answers(site: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{site}/console/signin", timeout=5).ok
    return False


@contextlib.contextmanager
def _watchers(site: str, home: Path) -> Iterator[None]:
    """Follow a page of each service until the end of the block; one that was refused or cut off ends the bench."""
    key, until = keys.link_key(home), utc_now() + timedelta(hours=1)
    ready, stop, lost = threading.Barrier(_WATCHERS + 1, timeout=_PATIENCE), threading.Event(), []

    def watch(number: int) -> None:
        word = links.sign(key, number, until)
        with requests.get(f"{site}/s/{word}/live", stream=True, timeout=30) as answer:
            answer.raise_for_status()
            ready.wait()
            for _ in answer.iter_lines():
                if stop.is_set():
                    return
        lost.append(number)

    threads = [threading.Thread(target=watch, args=(number,), daemon=True) for number in range(1, _WATCHERS + 1)]
    for thread in threads:
        thread.start()
    ready.wait()
    yield
    stop.set()
    for thread in threads:
        thread.join(20)
    if lost:
        raise RuntimeError(f"{len(lost)} of {_WATCHERS} pages were cut off")
