"""The two steps of service.sync_usage that concern the service alone, inside their transaction."""

from __future__ import annotations

from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.store import services, usage, usage_statistics
from orchestrator.store.notices import write as notice


def recomputed(service_id: int) -> dict[str, Any]:
    """Derive the figures of one service from what its servers have said."""
    usage.recompute([service_id], utc_now())
    return {"service": service_id}


def synced(service_id: int) -> dict[str, Any]:
    """Tell the figures of one service in a notice, for whoever keeps a copy of them."""
    row = services.get(service_id)
    figures = [
        {"metric": one.metric, "value": one.value, "unit": one.unit, "period": one.period}
        for one in usage_statistics.current(service_id)
    ]
    notice("usage_synced", f"usage:{service_id}", {"service": service_id, "domain": row.domain, "figures": figures})
    return {"figures": len(figures)}
