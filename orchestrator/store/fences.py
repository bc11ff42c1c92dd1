"""The numbers that only grow, taken over from the servers after a backup was restored."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.core.clock import utc_now
from orchestrator.core.states import ON_THE_WAY, ServiceStatus
from orchestrator.models.fleet import Counter
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry
from orchestrator.plan.fences import CatchUp, Known
from orchestrator.store import services, tasks
from orchestrator.store.database import locked, transaction

_REASON = "its servers know a newer request than this database, which was restored; run `tenantry reconcile`"


def known() -> Known:
    """Return what the database remembers."""
    counters = {row.name: int(row.value) for row in Counter.select().where(Counter.name << ["fence", "uid"])}
    rows = Service.select(Service.id, Service.generation)
    generations = {row.id: row.generation for row in rows}
    return Known(token=counters["fence"], uid=counters["uid"], generations=generations)


def adopt(decide: Callable[[Known], CatchUp], actor: str) -> CatchUp:
    """Take over what the servers are ahead in, in one transaction, and return it.

    What is still pending for a service whose servers know a newer request is stale: it is cancelled, never carried out.
    """

    def work() -> CatchUp:
        list(locked(Counter.select().where(Counter.name << ["fence", "uid"])))  # nobody claims or orders meanwhile
        found = decide(known())
        for name, value in (("fence", found.token), ("uid", found.uid)):
            if value:
                Counter.update(value=value).where(Counter.name == name).execute()
        for service, generation in found.ahead.items():
            _overtaken(service, generation)
        for service, generation in found.unknown.items():
            services.remember_generation(service, generation)
        if found.token or found.uid or found.ahead or found.unknown:
            _log(found, actor)
        return found

    return transaction(work)


def _overtaken(service: int, generation: int) -> None:
    row = services.get_locked(service)
    if row is None:
        return
    tasks.supersede(service, generation)
    failed = {"status": ServiceStatus.FAILED, "error": _REASON} if row.status in ON_THE_WAY else {}
    services.update(service, generation=generation, **failed)


def _log(found: CatchUp, actor: str) -> None:
    message = (
        f"taken over from the servers: token {found.token or 'unchanged'}, user id {found.uid or 'unchanged'}, "
        f"{len(found.ahead)} services with newer requests, {len(found.unknown)} unknown services"
    )
    LogEntry.create(
        at=utc_now(), kind="fence_raised", message=message, actor=actor, action="", attempt=0, outcome="", reason=""
    )
