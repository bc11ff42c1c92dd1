"""The HTTP API on a free port of loopback, in a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
import uvicorn

from orchestrator.core.clock import utc_now
from orchestrator.engine import Engine
from orchestrator.store import access
from orchestrator.web.api import create


@dataclass(frozen=True)
class Api:
    """A running API."""

    url: str
    asgi: Any

    def ask(self, method: str, path: str, token: str | None, **more: Any) -> requests.Response:
        """Send one request."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return requests.request(method, self.url + path, headers=headers, timeout=20, **more)


def token(name: str, *scopes: str) -> str:
    """Return the secret of a new token."""
    return access.add(name, list(scopes), 1, "test", utc_now())


@contextlib.contextmanager
def serving(app: Engine, per_second: float = 1000.0, burst: float = 1000.0) -> Iterator[Api]:
    """Run the API until the end of the block."""
    made = create(app, per_second, burst)
    server = uvicorn.Server(uvicorn.Config(made, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the API did not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Api(f"http://127.0.0.1:{port}", made)
    finally:
        server.should_exit = True
        thread.join(20)
