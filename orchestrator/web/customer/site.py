"""The customer's page as an application of its own: its errors are pages."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from orchestrator.app import App
from orchestrator.config import keys
from orchestrator.core.errors import TenantryError
from orchestrator.web.access import Limiter
from orchestrator.web.customer import routes
from orchestrator.web.customer.live import Looks
from orchestrator.web.shell.headers import SecurityHeaders
from orchestrator.web.shell.templates import page

_WRITES_PER_SECOND, _WRITES_AT_ONCE = 0.1, 10.0  # of one service


def create(app: App) -> Any:
    """Return the application."""
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    made.state.tenantry, made.state.looks = app, Looks()
    made.state.writes = Limiter(_WRITES_PER_SECOND, _WRITES_AT_ONCE)
    made.state.link_key = lru_cache(maxsize=1)(lambda: keys.link_key(app.settings.home))
    made.include_router(routes.router)
    made.add_exception_handler(routes.Closed, _closed)
    made.add_exception_handler(StarletteHTTPException, _refused)
    made.add_exception_handler(RequestValidationError, _unreadable)
    made.add_exception_handler(TenantryError, _failed)
    return SecurityHeaders(made)


def _closed(request: Request, error: Exception) -> Response:
    del request, error
    title, text = "This link does not open anything", "It may be old. Open your account from the client area again."
    return page("customer/closed.html", 403, title=title, text=text)


def _refused(request: Request, error: Exception) -> Response:
    del request
    status = error.status_code if isinstance(error, HTTPException | StarletteHTTPException) else 400
    return page("customer/closed.html", status, title="That did not work", text="Open your account again.")


def _unreadable(request: Request, error: Exception) -> Response:
    del request, error
    return page("customer/closed.html", 422, title="That did not work", text="Open your account again.")


def _failed(request: Request, error: Exception) -> Response:
    del request, error
    return page(
        "customer/closed.html", 503, title="One moment, please", text="We cannot look at it right now. Try again soon."
    )
