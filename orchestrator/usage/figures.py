"""The local steps that concern the usage of one service, inside their transaction."""

from __future__ import annotations

from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.states import ServiceStatus
from orchestrator.store import services, usage, usage_requests, usage_statistics
from orchestrator.store.notices import write as notice


def recomputed(service_id: int) -> dict[str, Any]:
    """Derive the figures of one service from what its servers have said."""
    usage.recompute([service_id], utc_now())
    return {"service": service_id}


def last_look(service_id: int, operation_id: int) -> dict[str, Any]:
    """Have what a service used since the last collection counted before its logs go."""
    if services.get(service_id).status == ServiceStatus.TERMINATED:
        return {"skipped": "the service was closed out by force; its servers' figures no longer count for it"}
    return {"collections": usage_requests.ask_last(service_id, operation_id)}


def synced(service_id: int) -> dict[str, Any]:
    """Tell the figures of one service in a notice, for whoever keeps a copy of them."""
    row = services.get(service_id)
    figures = [
        {"metric": one.metric, "value": one.value, "unit": one.unit, "period": one.period}
        for one in usage_statistics.current(service_id)
    ]
    notice("usage_synced", f"usage:{service_id}", {"service": service_id, "domain": row.domain, "figures": figures})
    return {"figures": len(figures)}
