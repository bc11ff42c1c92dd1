"""A timeline as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from orchestrator.store import views
from orchestrator.store.database import session
from orchestrator.web import schemas
from orchestrator.web.access import allowed
from orchestrator.web.routes import Id

_POLL_SECONDS = 1.0
_LONGEST_SECONDS = 600.0  # a client comes back by itself
_AT_ONCE = 50
router = APIRouter(responses={code: {"model": schemas.Problem} for code in (401, 403, 404, 422, 429, 503)})


@router.get("/v1/services/{service_id}/events", include_in_schema=False)
async def events(service_id: Id, request: Request, _: Annotated[str, Depends(allowed("read"))]) -> StreamingResponse:
    """Send the service and its timeline, again after each change, until its operation has ended."""
    if await run_in_threadpool(_look, service_id) is None:
        raise HTTPException(404, "there is no such service")
    if request.app.state.streams >= _AT_ONCE:
        raise HTTPException(429, "too many streams are open", {"Retry-After": "5"})
    return StreamingResponse(_changes(service_id, request), media_type="text/event-stream")


async def _changes(service_id: int, request: Request) -> AsyncIterator[str]:
    state, last, deadline = request.app.state, "", time.monotonic() + _LONGEST_SECONDS
    state.streams += 1
    try:
        while time.monotonic() < deadline and not await request.is_disconnected():
            found = await run_in_threadpool(_look, service_id)
            text = json.dumps(found)
            yield f"event: timeline\ndata: {text}\n\n" if text != last else ": still there\n\n"
            last = text
            if found is None or not _is_open(found):
                yield "event: end\ndata: {}\n\n"
                return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        state.streams -= 1


def _look(service_id: int) -> dict[str, Any] | None:
    with session():
        found = views.service(service_id)
        return None if found is None else {"service": found, "timeline": views.timeline(service_id)}


def _is_open(found: dict[str, Any]) -> bool:
    return any(step["status"] in ("waiting", "queued", "running") for step in found["timeline"])
