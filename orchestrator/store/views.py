"""The public views, read as other programs read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import Table, fn

from orchestrator.core.states import TaskStatus
from orchestrator.models.base import database

_COLUMNS = {
    "v_services": ("id", "domain", "status", "mode", "error", "servers", "updated_at"),
    "v_tasks": (
        "id",
        "action",
        "service_id",
        "server",
        "operation_id",
        "status",
        "attempts",
        "requested_by",
        "created_at",
        "started_at",
        "finished_at",
        "error",
    ),
    "v_timeline": (
        "operation_id",
        "service_id",
        "step",
        "server",
        "status",
        "attempts",
        "started_at",
        "finished_at",
        "error",
    ),
    "v_usage": ("service_id", "metric", "value", "unit", "period", "collected_at"),
    "v_certificates": ("service_id", "role", "state", "source", "names", "not_after", "error", "updated_at"),
}


def services(after: int, limit: int) -> list[dict[str, Any]]:
    """Return services with ids above ``after``, by id."""
    view = _view("v_services")
    return _rows(view.select().where(view.id > after).order_by(view.id).limit(limit))


def service(service_id: int) -> dict[str, Any] | None:
    """Return one service."""
    view = _view("v_services")
    return next(iter(_rows(view.select().where(view.id == service_id))), None)


def task(task_id: int) -> dict[str, Any] | None:
    """Return one task; one that is next in a run waits."""
    view = _view("v_tasks")
    found = next(iter(_rows(view.select().where(view.id == task_id))), None)
    if found and found["status"] == TaskStatus.RUNNING and found["started_at"] is None:
        found["status"] = str(TaskStatus.WAITING)
    return found


def timeline(service_id: int) -> list[dict[str, Any]]:
    """Return the steps of a service's newest operation."""
    view = _view("v_timeline")
    newest = view.select(fn.MAX(view.operation_id)).where(view.service_id == service_id)
    steps = view.select().where((view.service_id == service_id) & (view.operation_id == newest))
    return _rows(steps.order_by(view.step, view.server))


def usage(service_id: int) -> list[dict[str, Any]]:
    """Return a service's figures."""
    view = _view("v_usage")
    return _rows(view.select().where(view.service_id == service_id).order_by(view.metric, view.period))


def certificates(service_id: int) -> list[dict[str, Any]]:
    """Return a service's certificates."""
    view = _view("v_certificates")
    return _rows(view.select().where(view.service_id == service_id).order_by(view.role))


def counts(name: str) -> dict[str, int]:
    """Return how many rows of a view have each status."""
    view = _view(name)
    query = view.select(view.status, fn.COUNT(view.id).alias("number")).group_by(view.status)
    found = {row["status"]: int(row["number"]) for row in query.dicts().execute(database)}
    return _as_shown(view, found) if name == "v_tasks" else found


def _as_shown(view: Any, found: dict[str, int]) -> dict[str, int]:
    """Count what is next in a run as waiting; there are never many, so this reads the few that run."""
    is_next = (view.status == TaskStatus.RUNNING) & view.started_at.is_null()
    following = int(
        view.select(fn.COUNT(view.id).alias("number")).where(is_next).dicts().execute(database)[0]["number"]
    )
    if not following:
        return found
    running = found["running"] - following
    return {**found, "running": running, "waiting": found.get("waiting", 0) + following}


def _view(name: str) -> Any:
    return Table(name, _COLUMNS[name])


def _rows(query: Any) -> list[dict[str, Any]]:
    return [{name: _plain(name, value) for name, value in row.items()} for row in query.dicts().execute(database)]


def _plain(name: str, value: Any) -> Any:
    """Return times as RFC 3339 in UTC, whatever form the database gives them."""
    if value is None or not name.endswith(("_at", "_after")):
        return value
    text = value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
    return text[:19].replace(" ", "T") + "Z"
