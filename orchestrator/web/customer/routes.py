"""The customer's routes. The link is the only key: it stands in every address, so no cookie is set and none can be abused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from orchestrator.core import links
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Busy, TenantryError
from orchestrator.store import audit, fleet
from orchestrator.store.database import session
from orchestrator.web.customer import live, view
from orchestrator.web.shell import origin, wishes
from orchestrator.web.shell.headers import policy
from orchestrator.web.shell.templates import page

router = APIRouter(include_in_schema=False)
SAID = {
    "sync": "The figures are being collected; they appear here in a moment.",
    "retry": "We try again. This page follows by itself.",
    "upload": "Your certificate was accepted and is being installed.",
    "remove": "Your own certificate is being removed; ours takes its place.",
}


class Closed(Exception):
    """The link opens nothing: forged, damaged or over."""


def _opened(word: str, request: Request) -> int:
    service_id = links.opened(request.app.state.link_key(), word, utc_now())
    if service_id is None:
        raise Closed
    return service_id


Opened = Annotated[int, Depends(_opened)]


def _show(word: str, service_id: int, said: str = "", error: str = "", status: int = 200) -> Response:
    with session():
        found = view.look(service_id)
        frames = str(fleet.knob_value("customer.embed_origin"))
    base = f"/s/{word}"
    parts = view.regions(found, base)
    answer = page("customer/page.html", status, base=base, parts=parts, said=SAID.get(said, ""), error=error, **found)
    answer.headers["Content-Security-Policy"] = policy(frames)
    return answer


@router.get("/{word}/")
def show(word: str, service_id: Opened, said: str = "") -> Response:
    """The page."""
    return _show(word, service_id, said)


@router.get("/{word}/live")
async def follow(word: str, service_id: Opened, request: Request) -> StreamingResponse:
    """The page's changes."""
    events = live.changes(request.app.state.looks, service_id, f"/s/{word}", request)
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/{word}/sync", dependencies=[Depends(origin.same)])
def sync(word: str, service_id: Opened, request: Request) -> Response:
    """Sync now."""
    return _wish(request, word, service_id, "sync", "service.sync_usage")


@router.post("/{word}/retry", dependencies=[Depends(origin.same)])
def retry(word: str, service_id: Opened, request: Request) -> Response:
    """Try again."""
    return _wish(request, word, service_id, "retry", "service.redeploy")


@router.post("/{word}/certificates/{role}/remove", dependencies=[Depends(origin.same)])
def remove(word: str, role: str, service_id: Opened, request: Request) -> Response:
    """Give up the own certificate."""
    return _wish(request, word, service_id, "remove", "certificate.remove_custom", role)


@router.post("/{word}/certificates", dependencies=[Depends(origin.same)])
async def upload(word: str, service_id: Opened, request: Request) -> Response:
    """Install an own certificate."""
    async with request.form(max_files=3, max_fields=12, max_part_size=2**18) as form:
        try:
            pem = await wishes.pem_of(form)
        except TenantryError as error:
            return await run_in_threadpool(_show, word, service_id, "", str(error), 422)
    return await run_in_threadpool(_upload, request, word, service_id, pem)


def _upload(request: Request, word: str, service_id: int, pem: dict[str, str]) -> Response:
    app = request.app.state.tenantry
    return _act(request, word, service_id, "upload", lambda: wishes.upload(app, service_id, pem, _actor(service_id)))


def _wish(request: Request, word: str, service_id: int, said: str, action: str, role: str = "") -> Response:
    app, params = request.app.state.tenantry, {"role": role} if role else {}
    return _act(
        request, word, service_id, said, lambda: wishes.ask(app, action, service_id, params, _actor(service_id))
    )


def _act(request: Request, word: str, service_id: int, said: str, work: Callable[[], str]) -> Response:
    """Do what was asked for, if the account's state allows it, and write down that it was; or say why not."""
    try:
        if not request.app.state.writes.take(str(service_id), time.monotonic()):
            raise Busy("that was very often; please wait a minute")
        with session():
            _refuse_blocked(service_id, said)
            outcome = work()
            audit.write(_actor(service_id), origin.address(request), said, f"service {service_id}", outcome)
    except TenantryError as error:
        return _show(word, service_id, error=str(error), status=409 if isinstance(error, Busy) else 422)
    return RedirectResponse(f"/s/{word}/?said={said}", 303)


def _refuse_blocked(service_id: int, said: str) -> None:
    stage = view.look(service_id)["stage"]
    if not (stage.may_retry if said == "retry" else stage.may_write):
        raise Busy(f"not possible now: {stage.title[0].lower()}{stage.title[1:]}")


def _actor(service_id: int) -> str:
    return f"link:{service_id}"
