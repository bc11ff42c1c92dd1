"""An installation with four nodes of the lab, set up once for all the suites that need one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.installation import GROUP, PACKAGE, Installation, Node
from lab import config, nodes
from orchestrator.config.settings import from_environment
from orchestrator.engine import Engine
from orchestrator.models.base import database
from orchestrator.store.database import session

_TMPFS = Path("/dev/shm")
NODES = tuple(Node(name=name) for name in ("web1", "mail1", "dns1", "dns2"))


@contextmanager
def opened() -> Iterator[Installation]:
    """Yield it prepared, its orchestrator running; boots the nodes it needs."""
    lab = config.load()
    nodes.up(lab, [node.name for node in NODES])
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder, _in_memory() as runs:
        site = Installation(Path(folder), lab, more={"TENANTRY_RUN_ROOT": runs})
        site.set_up(NODES)
        site.start()
        try:
            site.prepare(node.name for node in NODES)
            yield site
        finally:
            site.end()


def _in_memory() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the attempts' directories where the service's unit has it: on a tmpfs, if there is one."""
    return tempfile.TemporaryDirectory(prefix="tenantry-bench-", dir=_TMPFS if _TMPFS.is_dir() else None)


@contextmanager
def connected(site: Installation) -> Iterator[Engine]:
    """Yield the application on the installation's database."""
    app = Engine(from_environment({**os.environ, **site.environment}))
    with session():
        yield app


def order(service: int) -> dict[str, Any]:
    """Return what somebody orders."""
    return {"domain": f"bench{service}.test", "package": PACKAGE, "group": GROUP}


def is_active(service: int) -> bool:
    """Whether a service is live. Asked often while a clock runs, so it costs next to nothing."""
    row = database.execute_sql(f"SELECT status FROM services WHERE id = {service:d}").fetchone()
    return row is not None and row[0] == "active"


def wait_for(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.02) -> None:
    """Poll until it is so; TimeoutError says what was not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
