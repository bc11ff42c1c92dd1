"""Servers and groups: state, slots, circuit; test, drain, activate, maintenance, prepare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from orchestrator.core.clock import utc_now
from orchestrator.core.states import ServerStatus
from orchestrator.execute import ssh_probe
from orchestrator.lifecycle import params as read
from orchestrator.models.fleet import GroupMember, Server, ServerGroup
from orchestrator.store import board, fleet, pages, tasks, usage_requests, usage_statistics
from orchestrator.store.database import session, transaction
from orchestrator.web.console.frame import act, show
from orchestrator.web.shell.entry import Admin, Fields, Reader, Support

router = APIRouter(include_in_schema=False)
_PROBE_SECONDS = 10.0
_STATES = {"drain": ServerStatus.DRAINING, "activate": ServerStatus.ACTIVE, "maintenance": ServerStatus.MAINTENANCE}


@router.get("/servers")
def listing(request: Request, who: Reader) -> Response:
    """Show all servers and groups."""
    with session():
        loads = board.servers()
        groups = [
            {"row": group, "servers": _members(group.id)} for group in ServerGroup.select().order_by(ServerGroup.name)
        ]
    return show(request, who, "servers", servers=loads, groups=groups)


def _members(group_id: int) -> list[str]:
    rows = Server.select(Server.name).join(GroupMember, on=(GroupMember.server_id == Server.id))
    return [row.name for row in rows.where(GroupMember.group_id == group_id).order_by(Server.name)]


@router.get("/servers/{name}")
def one(name: str, request: Request, who: Reader) -> Response:
    """Show one server."""
    with session():
        values = _whole(name)
    return show(request, who, "server", **values, findings=None)


def _whole(name: str) -> dict[str, Any]:
    row = fleet.server(name)
    search = pages.Search(kind="server", value=row.id)
    return {
        "load": next(one for one in board.servers() if one.row.id == row.id),
        "used": dict(fleet.used_by(row.id)),
        "looked": usage_statistics.server_status(row.id),
        "collections": usage_statistics.collections(row.id),
        "open": pages.tasks(["running", "queued", "error"], search, None, 15).rows,
        "lines": pages.log(search, "", None, 15).rows,
    }


@router.post("/servers/{name}/test")
def test(name: str, request: Request, who: Support) -> Response:
    """Check that a server can be reached and is ready, and explain what is wrong."""
    settings = request.app.state.tenantry.settings
    with session():
        host = fleet.host(fleet.server(name))
    findings = ssh_probe.probe(host, settings.ssh_key, _PROBE_SECONDS)
    with session():
        values = _whole(name)
    return show(request, who, "server", **values, findings=findings)


@router.post("/servers/{name}/room")
def room(name: str, request: Request, who: Admin, sent: Fields) -> Response:
    """Change how much a server takes."""
    slots, most = str(sent.get("slots", "")).strip(), str(sent.get("capacity", "")).strip()
    detail = f"slots {slots[:20] or 'default'}, capacity {most[:20]}"
    return act(
        request, who, "server room", name[:63], f"/console/servers/{name}", lambda: _room(name, slots, most), detail
    )


def _room(name: str, slots: str, most: str) -> str:
    at_once, capacity = read.slots(slots), read.capacity(most)
    fleet.set_server_room(name, at_once, capacity)
    return (
        f"{name} takes {at_once or 'the default number of'} steps at once and {capacity or 'any number of'} services."
    )


@router.post("/servers/{name}/{action}")
def do(name: str, action: str, request: Request, who: Admin) -> Response:
    """Drain, activate, prepare a server; keep it out of work; ask for its usage."""
    works: dict[str, Callable[[], str]] = {
        "prepare": lambda: _prepare(name, who.actor),
        "sync": lambda: _sync(name, who.actor),
        **{word: lambda state=state: _set(name, state) for word, state in _STATES.items()},  # type: ignore[misc]
    }
    if action not in works:
        raise HTTPException(404)
    return act(request, who, f"server {action}", name[:63], f"/console/servers/{name}", works[action])


def _set(name: str, state: ServerStatus) -> str:
    fleet.set_server_status(name, state)
    return f"{name} is {state}."


def _prepare(name: str, actor: str) -> str:
    task = tasks.enqueue("server.prepare", server_id=fleet.server(name).id, requested_by=actor, priority=50)
    return f"Task {task}: server.prepare {name}."


def _sync(name: str, actor: str) -> str:
    number = fleet.server(name).id
    task = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, actor))
    return f"Task {task}: {usage_requests.USAGE} {name}, asked {utc_now():%H:%M:%S} UTC."
