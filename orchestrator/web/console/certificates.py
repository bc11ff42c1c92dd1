"""Certificates of the whole fleet: where each stands, what happens next and why; issue, renew, upload, remove."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from orchestrator.core.certificates import CertificateState
from orchestrator.store import certificate_pages, certificates, service_detail, services
from orchestrator.store.database import session
from orchestrator.web.console.frame import act, link, show
from orchestrator.web.shell import wishes
from orchestrator.web.shell.entry import Fields, Reader, Support

router = APIRouter(include_in_schema=False)
_ASKS = {"issue": "certificate.issue", "renew": "certificate.renew", "remove": "certificate.remove_custom"}


@router.get("/certificates")
def listing(request: Request, who: Reader, state: str = "", q: str = "", after: str = "") -> Response:
    """Show a page of certificates: of one state by number, of all those first that end first."""
    chosen = state if state in tuple(CertificateState) else ""
    with session():
        rows, more = certificate_pages.page(chosen, q, after)
        counts = certificate_pages.counts()
        shown = service_detail.certificate_rows(rows)
    forward = link("/console/certificates", state=chosen, q=q, after=more) if more else ""
    return show(
        request,
        who,
        "certificates",
        rows=shown,
        counts=counts,
        state_chosen=chosen,
        q=q,
        more=forward,
        states=list(CertificateState),
    )


@router.get("/services/{service_id}/certificate")
def form(service_id: int, request: Request, who: Reader) -> Response:
    """Show the form for a customer's own certificate."""
    with session():
        row, rows = services.get(service_id), certificates.of_service(service_id)
    return show(request, who, "upload", service=row, roles=[one.role for one in rows])


async def _pem(fields: Fields) -> dict[str, str]:
    return await wishes.pem_of(fields)


Pem = Annotated[dict[str, str], Depends(_pem)]


@router.post("/services/{service_id}/certificate")
def upload(service_id: int, request: Request, who: Support, pem: Pem) -> Response:
    """Install a customer's own certificate."""
    back = f"/console/services/{service_id}"

    def work() -> str:
        task = wishes.upload(request.app.state.tenantry, service_id, pem, who.actor)
        return f"The {pem['role']} certificate was accepted: {task}."

    return act(request, who, "certificate.upload", f"service {service_id}", back, work, pem["role"])


@router.post("/services/{service_id}/certificates/{role}/{name}")
def ask(service_id: int, role: str, name: str, request: Request, who: Support) -> Response:
    """Issue, renew, or give up the customer's own."""
    if name not in _ASKS or role not in ("web", "mail"):
        raise HTTPException(404)
    app, action = request.app.state.tenantry, _ASKS[name]

    def work() -> str:
        return f"{name.capitalize()} {role}: {wishes.ask(app, action, service_id, {'role': role}, who.actor)}."

    return act(request, who, action, f"service {service_id}", f"/console/services/{service_id}", work, role)
