"""The page follows by itself: server-sent events with the regions that have changed.

All who look at the same service share one look a second; a service at rest is looked at more rarely.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from orchestrator.core.errors import Unavailable
from orchestrator.store.database import session
from orchestrator.web.customer import view

_MOVING_SECONDS, _RESTING_SECONDS = 1.0, 5.0
_LONGEST_SECONDS = 600.0  # then the browser comes back by itself
_KEPT = 2000


class Looks:
    """The last look at each service, kept for a second."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[float, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, service_id: int) -> dict[str, Any]:
        """Return what ``view.look`` found less than a second ago, or finds now."""
        with self._lock:
            when, found = self._known.get(service_id, (0.0, {}))
        if time.monotonic() - when < _MOVING_SECONDS * 0.9:
            return found
        with session():
            found = view.look(service_id)
        with self._lock:
            self._known[service_id] = (time.monotonic(), found)
            self._known.move_to_end(service_id)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found


async def changes(looks: Looks, service_id: int, base: str, request: Request) -> AsyncIterator[str]:
    """Yield events until the browser has gone, or has been here for ten minutes."""
    last: dict[str, Any] = {}
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline and not await request.is_disconnected():
        try:
            found, now = await run_in_threadpool(_regions, looks, service_id, base)
        except Unavailable:
            return  # the page says that the connection is lost, and its browser comes back until the database answers
        changed = {name: text for name, text in now.items() if last.get(name) != text}
        yield f"event: regions\ndata: {json.dumps(changed)}\n\n" if changed else ": still here\n\n"
        last = now
        await asyncio.sleep(_MOVING_SECONDS if found["is_moving"] else _RESTING_SECONDS)


def _regions(looks: Looks, service_id: int, base: str) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    found = looks.at(service_id)
    return found, view.regions(found, base)
