"""Plan and diff: the servers are asked through the queue, and the page shows what they said when it is there."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from orchestrator.plan.catalog import PLAN
from orchestrator.store import plans, services
from orchestrator.store.database import session
from orchestrator.web.console import wishes as offered
from orchestrator.web.console.frame import act, show
from orchestrator.web.shell import wishes
from orchestrator.web.shell.entry import Fields, Reader, Support

router = APIRouter(include_in_schema=False)


@router.get("/services/{service_id}/plans/{task_id}")
def one(service_id: int, task_id: int, request: Request, who: Reader) -> Response:
    """Show a plan: what every step would change, as far as the servers have been asked."""
    with session():
        values = {"service": services.get(service_id), "plan": plans.get(service_id, task_id)}
    return show(request, who, "plan", **values)


@router.post("/services/{service_id}/ask/{name}/plan")
def ask(service_id: int, name: str, request: Request, who: Support, fields: Fields) -> Response:
    """Put the question to the servers into the queue and go back to where the wish is confirmed."""
    offer = offered.chosen(name, who.rank)
    sent = {key: str(value) for key, value in fields.items()}

    def work() -> str:
        row = services.get(service_id)
        told = wishes.plan(request.app.state.tenantry, offer.action, row.id, offer.params(row, sent), who.actor)
        return f"What {offer.title} would change: {told}."

    back = f"/console/services/{service_id}/ask/{name}"
    return act(request, who, PLAN, f"service {service_id}", back, work, offer.action)
