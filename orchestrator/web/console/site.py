"""The console as an application of its own: its errors are pages, and whoever is not signed in is asked to."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from orchestrator.app import App
from orchestrator.core.errors import NotFound, TenantryError, Unavailable
from orchestrator.web.access import Limiter
from orchestrator.web.console import (
    certificates,
    log,
    overview,
    plans,
    servers,
    services,
    settings,
    signin,
    statistics,
    tasks,
)
from orchestrator.web.shell.entry import NotSignedIn
from orchestrator.web.shell.headers import SecurityHeaders
from orchestrator.web.shell.templates import page

_ATTEMPTS_PER_SECOND, _ATTEMPTS_AT_ONCE = 0.1, 20.0  # of one address
_PARTS = (signin, overview, tasks, log, certificates, services, plans, statistics, servers, settings)


def create(app: App) -> Any:
    """Return the application."""
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    made.state.tenantry, made.state.attempts = app, Limiter(_ATTEMPTS_PER_SECOND, _ATTEMPTS_AT_ONCE)
    for part in _PARTS:
        made.include_router(part.router)
    made.add_exception_handler(NotSignedIn, _ask)
    made.add_exception_handler(HTTPException, _refused)
    made.add_exception_handler(RequestValidationError, _unreadable)
    made.add_exception_handler(TenantryError, _explained)
    return SecurityHeaders(made)


def _ask(request: Request, error: Exception) -> Response:
    """Lead to the sign-in page; a region that refreshes by itself takes the whole page there."""
    del error
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/console/signin"})
    if request.method not in ("GET", "HEAD"):
        return RedirectResponse("/console/signin", 303)
    return RedirectResponse(f"/console/signin?next={quote(request.url.path, safe='/')}", 303)


def _refused(request: Request, error: Exception) -> Response:
    del request
    status = error.status_code if isinstance(error, HTTPException) else 400
    text = str(error.detail) if isinstance(error, HTTPException) else ""
    return page(
        "console/problem.html", status, title="There is no such page" if status == 404 else "Refused", text=text
    )


def _unreadable(request: Request, error: Exception) -> Response:
    del request, error
    return page("console/problem.html", 422, title="Refused", text="A value in the address or the form cannot be read.")


def _explained(request: Request, error: Exception) -> Response:
    del request
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, Unavailable) else 422
    return page("console/problem.html", status, title="That did not work", text=str(error))
