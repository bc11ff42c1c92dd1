"""tenantry task …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.app import INTENTS
from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import TaskStatus
from orchestrator.models.task import Task
from orchestrator.plan import catalog
from orchestrator.plan.catalog import CATALOG
from orchestrator.store import explanations, maintenance, outcome, retries, tasks

cli = typer.Typer(help="The queue.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ("id", "action", "service_id", "server", "status", "attempts", "run_after", "error")


def _row(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "action": task.action,
        "service_id": task.service_id,
        "server": getattr(task, "server_name", None),
        "operation_id": task.operation_id,
        "status": task.status,
        "attempts": task.attempts,
        "priority": task.priority,
        "run_after": task.run_after,
        "blocked_by": task.blocked_by,
        "requested_by": task.requested_by,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "error": task.error,
    }


def _statuses(given: list[str] | None) -> list[str]:
    for status in given or []:
        if status not in tuple(TaskStatus):
            raise InvalidInput("--status", f"{status} is not known", f"give one of {', '.join(TaskStatus)}")
    return given or []


@cli.command("add")
def add(
    action: Annotated[str, typer.Argument(help="For example web.database_present.")],
    service_id: Annotated[int | None, typer.Option("--service", help="The billing system's id.")] = None,
    params: Annotated[str, typer.Option(help="A JSON object; secrets sealed.")] = "{}",
    key: Annotated[str, typer.Option("--key", help="Idempotency key: a second task with it is refused.")] = "",
) -> None:
    """Ask for any action, as a billing system's row does."""
    found, known = app(), catalog.action(action)
    given = tasks.parse_params(params)
    if known.name in INTENTS and service_id is not None:
        found.check(known.name, service_id, given, actor())
    task = tasks.enqueue(
        known.name, service_id=service_id, params=given, requested_by=actor(), idempotency_key=key or None
    )
    console.print(f"task {task}: {known.name}")


@cli.command("list")
def list_tasks(
    status: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    action: Annotated[str, typer.Option(help="Only this action.")] = "",
    service: Annotated[int | None, typer.Option(help="Only this service.")] = None,
    server: Annotated[str, typer.Option(help="Only this server.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """List tasks, the newest first."""
    app()
    rows = tasks.listing(_statuses(status), action, service, server, limit)
    show([_row(row) for row in rows], _COLUMNS, as_json)


@cli.command("show")
def show_task(task_id: Annotated[int, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show a task and every attempt at it."""
    app()
    row = tasks.get(task_id)
    attempts = [
        {
            "at": entry.at,
            "kind": entry.kind,
            "attempt": entry.attempt,
            "outcome": entry.outcome,
            "reason": entry.reason,
            "message": entry.message,
            "detail": entry.detail,
        }
        for entry in outcome.attempts_of(task_id)
    ]
    why = explanations.of([row]).get(row.id)
    show_one(
        {**_row(row), "why": why, "result": row.result, **({"attempts_log": attempts} if as_json else {})}, as_json
    )
    if not as_json and attempts:
        show(attempts, ("at", "kind", "attempt", "outcome", "reason", "message"), as_json)


@cli.command("retry")
def retry(task_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Put a task in error back into the queue."""
    app()
    retries.retry(task_id, actor())
    console.print(f"task {task_id} is queued")


@cli.command("cancel")
def cancel(task_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Stop a task."""
    app()
    done = tasks.cancel(task_id, actor())
    console.print(f"task {task_id}: {'cancelled' if done == 'cancelled' else 'its orchestrator is asked to stop it'}")


@cli.command("force-fail")
def force_fail(task_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """End a stuck task in error; a late result of it is ignored."""
    app()
    outcome.force_fail(task_id, actor())
    console.print(f"task {task_id} is in error")


@cli.command("clean")
def clean(
    status: Annotated[list[str] | None, typer.Option(help="done, error or cancelled; default: all three.")] = None,
) -> None:
    """Delete finished tasks."""
    app()
    wanted = _statuses(status) or [str(one) for one in maintenance.FINISHED]
    if unfinished := [one for one in wanted if one not in maintenance.FINISHED]:
        raise InvalidInput("--status", f"{unfinished[0]} is not finished", "give done, error or cancelled")
    console.print(f"deleted {maintenance.clean(wanted)} tasks")


@cli.command("actions")
def actions(as_json: Json = False) -> None:
    """List every action there is."""
    rows = [{"action": one.name, "kind": one.kind, "title": one.title} for one in CATALOG.values()]
    show(rows, ("action", "kind", "title"), as_json)
