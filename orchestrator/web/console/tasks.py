"""The queue: filter, look for, why each waits, every attempt, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput, TenantryError
from orchestrator.core.operators import Rank
from orchestrator.core.states import TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.plan.catalog import CATALOG
from orchestrator.store import board, explanations, maintenance, outcome, pages, retries, tasks
from orchestrator.store.database import session
from orchestrator.store.fleet import knob_value
from orchestrator.web.console.frame import act, link, show
from orchestrator.web.shell.entry import Admin, Fields, Reader, Support

router = APIRouter(include_in_schema=False)
Work = Callable[[int, str], object]
_ONE: dict[str, tuple[Rank, Work, str]] = {
    "retry": (Rank.SUPPORT, retries.retry, "is queued again"),
    "cancel": (Rank.SUPPORT, tasks.cancel, "is cancelled, or asked to stop"),
    "run-now": (Rank.SUPPORT, retries.run_now, "is due now"),
    "force-fail": (Rank.ADMIN, outcome.force_fail, "is in error; a late result of it is ignored"),
}
_BULK = ("retry", "cancel", "run-now")


@router.get("/tasks")
def listing(
    request: Request,
    who: Reader,
    status: Annotated[list[str] | None, Query()] = None,
    q: str = "",
    before: int | None = None,
) -> Response:
    """Show a page of tasks."""
    chosen = [one for one in status or [] if one in tuple(TaskStatus)]
    with session():
        found = pages.tasks(chosen, pages.understood(q), before)
        values: dict[str, Any] = {
            "rows": found.rows,
            "why": explanations.of(found.rows),
            "servers": {row.id: row.name for row in Server.select(Server.id, Server.name)},
            "counts": board.queue(utc_now())["counts"],
        }
    filters = "&".join(f"status={one}" for one in chosen)
    more = link("/console/tasks", q=q, before=found.more) + (f"&{filters}" if filters else "") if found.more else ""
    return show(
        request, who, "tasks", **values, chosen=chosen, q=q, more=more, statuses=list(TaskStatus), titles=CATALOG
    )


@router.get("/tasks/{task_id}")
def one(task_id: int, request: Request, who: Reader) -> Response:
    """Show a task with every attempt and what the node said."""
    with session():
        row = tasks.get(task_id)
        server = Server.get_or_none(Server.id == row.server_id)
        minutes = int(knob_value("tasks.stuck_after_minutes"))
        is_begun = row.status == TaskStatus.RUNNING and row.started_at is not None
        is_stuck = is_begun and (utc_now() - row.started_at).total_seconds() > 60 * minutes
        values: dict[str, Any] = {
            "task": row,
            "server": server.name if server else "",
            "why": explanations.of([row]).get(row.id, ""),
            "attempts": outcome.attempts_of(task_id),
            "is_stuck": is_stuck,
        }
    title = CATALOG[row.action].title if row.action in CATALOG else row.action
    return show(request, who, "task", **values, title=title)


@router.post("/tasks/{task_id}/{action}")
def do(task_id: int, action: str, request: Request, who: Support) -> Response:
    """Retry, cancel, run now or force-fail a task."""
    if action not in _ONE:
        raise HTTPException(404)
    rank, work, told = _ONE[action]
    if not who.rank.may(rank):
        raise HTTPException(403, f"this takes the role {rank}")

    def done() -> str:
        work(task_id, who.actor)
        return f"Task {task_id} {told}."

    return act(request, who, f"task {action}", f"task {task_id}", f"/console/tasks/{task_id}", done)


@router.post("/tasks")
def bulk(request: Request, who: Support, fields: Fields) -> Response:
    """Do the same with every task that was ticked."""
    action = str(fields.get("action", ""))
    ids = [int(str(text)) for text in fields.getlist("id") if str(text).isascii() and str(text).isdigit()]
    if action == "delete" and not who.rank.may(Rank.ADMIN):
        raise HTTPException(403, "deleting takes the role admin")
    work = partial(_delete, ids) if action == "delete" else partial(_each, action, ids, who.actor)
    listed = ", ".join(map(str, ids[:40]))
    return act(request, who, f"tasks {action}", f"{len(ids)} tasks", _back(fields), work, listed)


def _delete(ids: list[int]) -> str:
    deleted = maintenance.delete_finished(ids)
    kept = len(ids) - deleted
    return f"Deleted {deleted} tasks." + (f" {kept} stay: not ended, or of an operation that is not." if kept else "")


def _each(action: str, ids: list[int], actor: str) -> str:
    """Do one thing with each; what cannot be done with one does not keep it from the others."""
    if action not in _BULK:
        raise InvalidInput("action", "is not known", f"choose one of {', '.join(_BULK)}")
    refused = []
    for number in ids:
        try:
            _ONE[action][1](number, actor)
        except TenantryError as error:
            refused.append(f"{number}: {error}")
    told = f"{len(ids) - len(refused)} of {len(ids)} tasks: {action}."
    return told + (f" Not done: {'; '.join(refused[:5])}" if refused else "")


@router.post("/tasks-clean")
def clean(request: Request, who: Admin, fields: Fields) -> Response:
    """Delete all tasks that have ended in one of the states chosen."""
    finished = [str(one) for one in maintenance.FINISHED]
    chosen = [one for one in finished if one in fields.getlist("status")]
    told = ", ".join(chosen) or "nothing"
    return act(
        request,
        who,
        "tasks clean",
        told,
        "/console/tasks",
        lambda: f"Deleted {maintenance.clean(chosen)} tasks: {told}.",
    )


def _back(fields: Fields) -> str:
    """Return the page of the queue from which a form was sent."""
    found = str(fields.get("back", ""))
    return found if found.startswith("/console/tasks") and "//" not in found and "\\" not in found else "/console/tasks"
