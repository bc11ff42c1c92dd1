"""Who may: bearer tokens with scopes (RFC 6750), and limits of how often."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestrator.core.clock import utc_now
from orchestrator.models.access import ApiToken
from orchestrator.store import access
from orchestrator.store.database import session

_bearer = HTTPBearer(auto_error=False, description="A token of `tenantry token add`")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Limiter:
    """A bucket of ``burst`` tokens a key that fills with ``per_second``; keys that were not seen for longest are forgotten."""

    def __init__(self, per_second: float, burst: float, keys: int = 10_000) -> None:
        self._per_second, self._burst, self._keys = per_second, burst, keys
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, now: float) -> bool:
        """Take one; False when there is none left."""
        with self._lock:
            level, at = self._known.pop(key, (self._burst, now))
            level = min(self._burst, level + (now - at) * self._per_second)
            is_free = level >= 1
            self._known[key] = (level - is_free, now)
            if len(self._known) > self._keys:
                self._known.popitem(last=False)
            return is_free


def allowed(scope: str) -> Callable[[Request, Credentials], str]:
    """Return what a route depends on: the name of a token that has the scope."""

    def check(request: Request, given: Credentials) -> str:
        limits: Limiter = request.app.state.limiter
        client = request.client.host if request.client else ""
        row = _find(given)
        request.state.token = row.name if row else ""
        if not limits.take(f"token:{row.name}" if row else f"client:{client}", time.monotonic()):
            raise HTTPException(429, "too many requests; try again in a few seconds", {"Retry-After": "5"})
        if row is None:
            raise HTTPException(401, "the token is missing, unknown or expired", {"WWW-Authenticate": "Bearer"})
        if scope not in row.scopes.split(","):
            raise HTTPException(403, f"the token has no scope {scope}")
        return str(row.name)

    return check


def _find(given: HTTPAuthorizationCredentials | None) -> ApiToken | None:
    if given is None:
        return None
    with session():
        return access.find(given.credentials, utc_now())
