"""Services: the list, one whole, and everything that may be asked for it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import ServiceStatus
from orchestrator.models.service import Service
from orchestrator.store import (
    board,
    certificates,
    customer,
    explanations,
    pages,
    plans,
    service_detail,
    services,
    tasks,
    timeline,
)
from orchestrator.store.database import session
from orchestrator.web.console import wishes as offered
from orchestrator.web.console.frame import act, link, show
from orchestrator.web.shell import wishes
from orchestrator.web.shell.entry import Fields, Reader, Support

router = APIRouter(include_in_schema=False)


@router.get("/services")
def listing(request: Request, who: Reader, status: str = "", q: str = "", before: int | None = None) -> Response:
    """Show a page of services."""
    chosen = status if status in tuple(ServiceStatus) else ""
    with session():
        found = pages.services(chosen, q, before)
        counts = board.services()
    more = link("/console/services", status=chosen, q=q, before=found.more) if found.more else ""
    return show(
        request,
        who,
        "services",
        rows=found.rows,
        counts=counts,
        status=chosen,
        q=q,
        more=more,
        statuses=list(ServiceStatus),
    )


@router.get("/services/{service_id}")
def one(service_id: int, request: Request, who: Reader) -> Response:
    """Show a service whole."""
    with session():
        values = _whole(services.get(service_id))
    return show(request, who, "service", **values, offers=offered.of(values["service"].status, who.rank))


def _whole(row: Service) -> dict[str, Any]:
    newest = timeline.operation_of(row.id)
    steps = timeline.steps(newest.id) if newest else []
    pending = [tasks.get(step["task_id"]) for step in steps if step["status"] in ("waiting", "queued")]
    return {
        "service": row,
        "names": service_detail.names(row),
        "places": service_detail.placements(row.id),
        "limits": service_detail.limits_text(row),
        "newest": newest,
        "steps": steps,
        "why": explanations.of(pending),
        "wishes": service_detail.open_wishes(row.id),
        "operations": service_detail.operations(row.id),
        "certificates": service_detail.certificate_rows(certificates.of_service(row.id)),
        "gauges": customer.gauges(row, utc_now()),
        "plan": plans.newest(row.id),
        "wipes": service_detail.prepared_reset(row) if row.reset_until and row.reset_until > utc_now() else None,
    }


@router.get("/services/{service_id}/ask/{name}")
def confirm(service_id: int, name: str, request: Request, who: Reader) -> Response:
    """Show what a wish would begin, and ask for what it needs: a reason, or the domain typed out."""
    offer = offered.chosen(name, who.rank)
    found, problem = None, ""
    with session():
        row = services.get(service_id)
        plan = plans.newest(row.id, offer.action, None if offer.field else offer.params(row, {}))
        try:
            found = request.app.state.tenantry.rehearse(offer.action, row.id, offer.params(row, {}), who.actor)
        except InvalidInput as error:
            problem = str(error) if not offer.field else ""
    given = plan.params.get(offer.field, "") if plan else ""
    values = {"offer": offer, "wish": name, "planned": found, "problem": problem, "plan": plan, "given": given}
    return show(request, who, "confirm", service=row, **values)


@router.post("/services/{service_id}/ask/{name}")
def ask(service_id: int, name: str, request: Request, who: Support, fields: Fields) -> Response:
    """Put a wish into the queue."""
    offer = offered.chosen(name, who.rank)
    sent = {key: str(value) for key, value in fields.items()}

    def work() -> str:
        row = services.get(service_id)
        if offer.is_grave and sent.get("typed", "").strip().lower() != row.domain:
            raise InvalidInput("domain", "is not what was typed", f"type {row.domain} to go on")
        params = offer.params(row, sent)
        return f"{offer.title}: {wishes.ask(request.app.state.tenantry, offer.action, row.id, params, who.actor)}."

    told = sent.get(offer.field, "") if offer.field else ""
    return act(request, who, offer.action, f"service {service_id}", f"/console/services/{service_id}", work, told)
