"""The routes: requests are written down, views are read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from orchestrator.app import INTENTS
from orchestrator.config import keys
from orchestrator.core import links
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.store import fleet, schema, tasks, views
from orchestrator.store.database import session
from orchestrator.web import schemas
from orchestrator.web.access import allowed
from orchestrator.web.metrics import CONTENT_TYPE, metrics

Reader = Annotated[str, Depends(allowed("read"))]
Writer = Annotated[str, Depends(allowed("write"))]
Linker = Annotated[str, Depends(allowed("link"))]
Monitor = Annotated[str, Depends(allowed("monitor"))]
Id = Annotated[int, Path(ge=1, le=schemas.MAXIMUM_ID)]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": schemas.Problem} for code in (400, 401, 403, 404, 409, 422, 429, 503)
}
router = APIRouter(responses=_PROBLEMS)


@router.post("/v1/tasks", status_code=202)
def ask(wish: schemas.Wish, request: Request, token: Writer) -> schemas.Accepted:
    """Write a request down. It is checked first, and carried out by the queue."""
    if wish.action not in INTENTS:
        raise InvalidInput("action", f"there is no {wish.action!r} to ask for", "see docs/reference/actions.md")
    actor = f"api:{token}"
    with session():
        request.app.state.tenantry.check(wish.action, wish.service_id, wish.params, actor)
        values = wish.model_dump(exclude={"action"})
        return schemas.Accepted(id=tasks.enqueue(wish.action, requested_by=actor, **values))


@router.post("/v1/tasks/{task_id}/cancel", status_code=202)
def cancel(task_id: Id, token: Writer) -> schemas.Accepted:
    """Ask a task to stop."""
    with session():
        tasks.cancel(task_id, f"api:{token}")
    return schemas.Accepted(id=task_id)


@router.get("/v1/tasks/{task_id}")
def task(task_id: Id, _: Reader) -> schemas.Task:
    """Return a task."""
    with session():
        return schemas.Task(**_known(views.task(task_id), "task"))


@router.get("/v1/services")
def services(
    _: Reader,
    after: Annotated[int, Query(ge=0, le=schemas.MAXIMUM_ID, description="Begin after this id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[schemas.Service]:
    """Return services by id."""
    with session():
        return [schemas.Service(**row) for row in views.services(after, limit)]


@router.get("/v1/services/{service_id}")
def service(service_id: Id, _: Reader) -> schemas.Service:
    """Return a service."""
    with session():
        return schemas.Service(**_known(views.service(service_id), "service"))


@router.post("/v1/services/{service_id}/link", status_code=201)
def link(service_id: Id, request: Request, _: Linker) -> schemas.Link:
    """Return a link to the customer's page of a service, which need not be there yet."""
    with session():
        until = utc_now() + timedelta(minutes=int(fleet.knob_value("customer.link_minutes")))
    word = links.sign(keys.link_key(request.app.state.tenantry.settings.home), service_id, until)
    return schemas.Link(path=f"/s/{word}/", expires_at=until.isoformat(timespec="seconds"))


@router.get("/v1/services/{service_id}/timeline")
def timeline(service_id: Id, _: Reader) -> list[schemas.Step]:
    """Return the steps of the service's newest operation."""
    with session():
        _known(views.service(service_id), "service")
        return [schemas.Step(**row) for row in views.timeline(service_id)]


@router.get("/v1/services/{service_id}/usage")
def usage(service_id: Id, _: Reader) -> list[schemas.Figure]:
    """Return the service's figures."""
    with session():
        _known(views.service(service_id), "service")
        return [schemas.Figure(**row) for row in views.usage(service_id)]


@router.get("/v1/services/{service_id}/certificates")
def certificates(service_id: Id, _: Reader) -> list[schemas.Certificate]:
    """Return the service's certificates."""
    with session():
        _known(views.service(service_id), "service")
        return [schemas.Certificate(**row) for row in views.certificates(service_id)]


@router.get("/health")
def health(_: Monitor) -> schemas.Health:
    """Say that the program answers."""
    return schemas.Health(status="ok")


@router.get("/ready")
def ready(_: Monitor) -> schemas.Health:
    """Say whether the database answers and is up to date."""
    with session():
        if schema.version() != max(schema.migrations()):
            raise HTTPException(503, "the database is not up to date; run `tenantry init`")
    return schemas.Health(status="ok")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def prometheus(_: Monitor) -> Response:
    """Return figures in Prometheus's text format."""
    with session():
        return Response(metrics(), media_type=CONTENT_TYPE)


@router.get("/v1/openapi.json", include_in_schema=False)
def document(request: Request, _: Reader) -> dict[str, Any]:
    """Return the OpenAPI document."""
    found: dict[str, Any] = request.app.openapi()
    return found


def _known(row: dict[str, Any] | None, what: str) -> dict[str, Any]:
    if row is None:
        raise HTTPException(404, f"there is no such {what}")
    return row
