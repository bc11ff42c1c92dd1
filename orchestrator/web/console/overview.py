"""The first page: what is failing now, why and since when; the queue, the servers, the certificates."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from orchestrator.core.clock import utc_now
from orchestrator.store import board, maintenance
from orchestrator.store.database import session
from orchestrator.store.fleet import knob_value
from orchestrator.web.console.frame import show
from orchestrator.web.shell.entry import Reader

router = APIRouter(include_in_schema=False)
_FAILING, _ENDING = 8, 5


@router.get("/")
def overview(request: Request, who: Reader) -> Response:
    """Show the overview."""
    now = utc_now()
    with session():
        ended = board.throughput(now)
        values = {
            "queue": board.queue(now),
            "failing": board.failing(_FAILING),
            "stuck": maintenance.stuck(int(knob_value("tasks.stuck_after_minutes"))),
            "services": board.services(),
            "servers": board.servers(),
            "certificates": board.certificates(now, _ENDING),
            "ended": ended,
            "highest": max([one["done"] + one["failed"] for one in ended] + [1]),
        }
    return show(request, who, "overview", **values)
