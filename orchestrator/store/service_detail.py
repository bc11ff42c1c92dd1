"""One service with all that hangs on it, for a person who wants to know what is the matter."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.models.certificate import CertificateRow
from orchestrator.models.fleet import Package, Server, ServerGroup
from orchestrator.models.service import Placement, Service
from orchestrator.models.task import Operation, Task
from orchestrator.plan.catalog import LOOKS
from orchestrator.plan.certificates import told
from orchestrator.store import certificates, timeline

_OPERATIONS = 12


def placements(service_id: int) -> list[dict[str, str]]:
    """Return where each role lies: role, server, its status."""
    chosen = Placement.select(Placement.role, Server.name, Server.status).join(
        Server, on=(Server.id == Placement.server_id)
    )
    rows: Any = chosen.where(Placement.service_id == service_id).order_by(Placement.role.desc(), Server.name).tuples()
    return [{"role": role, "server": name, "status": status} for role, name, status in rows]


def names(row: Service) -> dict[str, str]:
    """Return the names of a service's package and group."""
    package, group = (
        Package.get_or_none(Package.id == row.package_id),
        ServerGroup.get_or_none(ServerGroup.id == row.group_id),
    )
    return {"package": package.name if package else "–", "group": group.name if group else "–"}


def operations(service_id: int) -> list[dict[str, Any]]:
    """Return the newest operations; of a check and repair with the objects that had drifted."""
    rows = Operation.select().where(Operation.service_id == service_id).order_by(Operation.id.desc()).limit(_OPERATIONS)
    return [
        {"row": row, "mended": timeline.changed_objects(row.id) if row.intent == "service.repair" else []}
        for row in rows
    ]


def open_wishes(service_id: int) -> list[Task]:
    """Return what was asked for and is not planned yet, or could not be."""
    mine = (Task.service_id == service_id) & Task.operation_id.is_null() & Task.action.not_in(sorted(LOOKS))
    light = (Task.id, Task.action, Task.status, Task.error, Task.run_after, Task.requested_by, Task.created_at)
    return list(
        Task.select(*light)
        .where(mine & (Task.status << ["queued", "running", "error"]))
        .order_by(Task.id.desc())
        .limit(8)
    )


def certificate_rows(rows: list[CertificateRow]) -> list[dict[str, Any]]:
    """Return certificates with what happens next and why."""
    return [
        {
            "row": row,
            "next": told.next_action(certificates.view(row)),
            "ends": row.custom_not_after if row.state == "custom" else row.not_after,
        }
        for row in rows
    ]


def prepared_reset(row: Service, last: int = 20) -> dict[str, int] | None:
    """Return what a factory reset that waits for its confirmation would wipe, None when none does."""
    if not row.reset_code or row.reset_until is None:
        return None
    mine = (Task.service_id == row.id) & (Task.action == "service.factory_reset") & (Task.status == "done")
    for task in Task.select(Task.id, Task.result).where(mine).order_by(Task.id.desc()).limit(last):
        if task.result and "will_wipe" in task.result:
            return dict(task.result["will_wipe"])
    return {}


def limits_text(row: Service) -> list[tuple[str, str]]:
    """Return the resolved limits by name."""
    return sorted((name, json.dumps(value).strip('"')) for name, value in row.limits.items())
