"""The operation log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from orchestrator.core.states import Outcome
from orchestrator.store import audit, pages
from orchestrator.store.database import session
from orchestrator.web.console.frame import link, show
from orchestrator.web.shell.entry import Reader

router = APIRouter(include_in_schema=False)


@router.get("/log")
def listing(request: Request, who: Reader, q: str = "", outcome: str = "", before: int | None = None) -> Response:
    """Show a page of the log, the newest first."""
    chosen = outcome if outcome in tuple(Outcome) else ""
    with session():
        found = pages.log(pages.understood(q), chosen, before)
    more = link("/console/log", q=q, outcome=chosen, before=found.more) if found.more else ""
    return show(request, who, "log", rows=found.rows, q=q, outcome=chosen, outcomes=list(Outcome), more=more)


@router.get("/audit")
def audited(request: Request, who: Reader, actor: str = "", before: int | None = None) -> Response:
    """Show who did what."""
    with session():
        rows = audit.listing(before, actor[:64], pages.SIZE + 1)
    more = link("/console/audit", actor=actor, before=rows[pages.SIZE - 1].id) if len(rows) > pages.SIZE else ""
    return show(request, who, "audit", rows=rows[: pages.SIZE], actor=actor, more=more)
