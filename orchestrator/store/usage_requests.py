"""Asking servers for their usage: one open task a server, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from orchestrator.core.errors import Busy
from orchestrator.core.states import OPEN_STATUSES, ServerStatus, TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.models.service import Placement
from orchestrator.models.task import Task
from orchestrator.models.usage import UsageRequest
from orchestrator.plan.usage import schedule
from orchestrator.store import fleet, waiting
from orchestrator.store.database import locked, transaction
from orchestrator.store.usage_intake import replace

USAGE, STATUS = "server.sync_usage", "server.sync_status"
LAST_LOOK_OF = "web.account_absent"  # removes the logs in which traffic is that nobody has counted yet
_SHIFTS: Mapping[str, float] = {USAGE: 0.0, STATUS: 0.5}  # the two questions fall into different halves of the interval
_SCHEDULED_PRIORITY = 200
_WORKING = (ServerStatus.ACTIVE, ServerStatus.DRAINING)


def ask(action: str, server_id: int, requested_by: str, priority: int = 100) -> int:
    """Return the open task that asks a server, a new one when there is none, inside the caller's transaction.

    The server's row is locked, so two who ask at once get the same task: a server is never asked twice at a time.
    """
    locked(Server.select().where(Server.id == server_id)).first()
    open_task = Task.select(Task.id).where(
        (Task.action == action) & (Task.server_id == server_id) & (Task.status << list(OPEN_STATUSES))
    )
    found = open_task.order_by(Task.id).first()
    if found is not None:
        return int(found.id)
    values: dict[str, Any] = {"action": action, "server_id": server_id}
    return int(Task.insert(**values, requested_by=requested_by, priority=priority).execute())


def ask_last(service_id: int, operation_id: int) -> list[int]:
    """Let the removal of web accounts in an operation wait for one more look at their servers; returns the tasks.

    Called when nothing of the service is served any more. Busy while a server is being asked: that may have read the
    account's logs before the last lines were written.
    """
    removals = Task.select().where((Task.operation_id == operation_id) & (Task.action == LAST_LOOK_OF))
    working = Server.select(Server.id).where(Server.status << list(_WORKING))
    asked = []
    for removal in list(removals.where((Task.status == TaskStatus.WAITING) & (Task.server_id << working))):
        server = int(removal.server_id or 0)
        same = (Task.action == USAGE) & (Task.server_id == server) & (Task.status == TaskStatus.RUNNING)
        if Task.select().where(same).exists():
            raise Busy(f"server {server} is being asked for its figures; service {service_id} needs the next look")
        asked.append(ask(USAGE, server, "service.terminate"))
        waiting.let_wait([removal], asked[-1])
    return asked


def ask_due(now: datetime) -> int:
    """Ask every server whose moment has come; returns how many. Several orchestrators may do so at once."""
    interval = timedelta(minutes=int(fleet.knob_value("usage.interval_minutes")))
    if not interval:
        return 0
    last = {(row.server_id, row.action): row.requested_at for row in UsageRequest.select()}
    asked = 0
    for server in list(Server.select(Server.id).where(Server.status << list(_WORKING))):  # no open cursor while writing
        for action, shift in _SHIFTS.items():
            if schedule.is_due(server.id, interval, shift, last.get((server.id, action)), now):
                transaction(partial(_ask_due, action, server.id, now))
                asked += 1
    return asked


def _ask_due(action: str, server_id: int, now: datetime) -> None:
    ask(action, server_id, "schedule", _SCHEDULED_PRIORITY)
    replace(UsageRequest, [{"server_id": server_id, "action": action, "requested_at": now}])


def servers_of(service_id: int) -> list[int]:
    """Return the servers on which a service lives and that take work."""
    query = Placement.select(Placement.server_id).distinct().join(Server, on=(Server.id == Placement.server_id))
    return sorted(
        row.server_id for row in query.where((Placement.service_id == service_id) & (Server.status << list(_WORKING)))
    )


def names() -> list[str]:
    """Return the servers that take work."""
    return [row.name for row in Server.select().where(Server.status << list(_WORKING)).order_by(Server.name)]
