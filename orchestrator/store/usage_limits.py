"""Figures against limits: notices with hysteresis, and the request that suspends or wakes a web account.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.states import OPEN_STATUSES
from orchestrator.models.service import Mailbox, Service
from orchestrator.models.task import Task
from orchestrator.models.usage import UsageAlert, UsageMailbox
from orchestrator.plan.usage import policy, thresholds
from orchestrator.store import fleet
from orchestrator.store.notices import write as notice
from orchestrator.store.usage_intake import chunks, replace

ENFORCE = "service.enforce_limits"
_EVENTS = {thresholds.NEAR: "usage_near_limit", thresholds.EXCEEDED: "usage_limit_exceeded"}
Levels = dict[str, int]  # subject -> level that has been told


def review(services: Iterable[Service], figures: Mapping[int, Mapping[str, int]], now: datetime) -> None:
    """Compare the figures of services with their limits: tell what has risen, and ask for what the package wants then."""
    warn = int(fleet.knob_value("usage.warn_percent"))
    for part in chunks(services):
        numbers = [service.id for service in part]
        levels, boxes = _levels(numbers), _boxes(numbers)
        for service in part:
            mine = levels.get(service.id, {})
            uses = [*thresholds.uses(figures[service.id], service.limits), *boxes.get(service.id, [])]
            for use in uses:
                _level(service, use, mine, warn, now)
            if ",".join(policy.held_for(service.limits, mine)) != service.web_held_for:
                _ask(service.id)


def _levels(service_ids: list[int]) -> dict[int, Levels]:
    found: dict[int, Levels] = {}
    for row in UsageAlert.select().where(UsageAlert.service_id << service_ids):
        found.setdefault(row.service_id, {})[row.subject] = row.level
    return found


def _boxes(service_ids: list[int]) -> dict[int, list[thresholds.Use]]:
    boxes = Mailbox.select().where((Mailbox.service_id << service_ids) & (Mailbox.quota_mb > 0))
    quotas = {(box.service_id, f"{box.local_part}@{box.domain}"): box.quota_mb for box in boxes}
    found: dict[int, list[thresholds.Use]] = {}
    for row in UsageMailbox.select().where(UsageMailbox.service_id << service_ids):
        use = thresholds.mailbox_use(row.address, row.bytes, quotas.get((row.service_id, row.address), 0))
        if use is not None:
            found.setdefault(row.service_id, []).append(use)
    return found


def _level(service: Service, use: thresholds.Use, levels: Levels, warn: int, now: datetime) -> None:
    """Remember the level of one use, and write a notice when it has risen."""
    before = levels.get(use.subject, thresholds.OK)
    level = levels[use.subject] = thresholds.level(use, before, warn)
    if level == before:
        return
    key = {"service_id": service.id, "subject": use.subject}
    replace(UsageAlert, [{**key, "level": level, "raised_at": now}])
    if level > before:
        payload: dict[str, Any] = {"service": service.id, "domain": service.domain, "subject": use.subject}
        payload |= {"value": use.value, "limit": use.limit}
        notice(_EVENTS[level], f"usage:{service.id}:{use.subject}"[:160], payload)


def _ask(service_id: int) -> None:
    """Ask for the policy to be applied; one open request at a time sees the newest figures anyway."""
    asked = (Task.action == ENFORCE) & (Task.service_id == service_id) & (Task.status << list(OPEN_STATUSES))
    if not Task.select().where(asked & Task.operation_id.is_null()).exists():
        Task.insert(action=ENFORCE, service_id=service_id, requested_by="usage").execute()


def held_for(service: Service) -> tuple[str, ...]:
    """Return the metrics for which the web account of a service is to be suspended now."""
    return policy.held_for(service.limits, _levels([service.id]).get(service.id, {}))


def forget(service_id: int) -> None:
    """Forget what was told: under other limits each figure is judged anew."""
    UsageAlert.delete().where(UsageAlert.service_id == service_id).execute()
