"""The application: routes, errors as one line, an audit of what was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from orchestrator import __version__
from orchestrator.app import App
from orchestrator.core.errors import (
    Busy,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
    TenantryError,
    Unavailable,
)
from orchestrator.store import access
from orchestrator.store.database import session
from orchestrator.web import routes, stream
from orchestrator.web.access import Limiter
from orchestrator.web.console import site as console
from orchestrator.web.customer import site as customer
from orchestrator.web.shell import assets

_BODY_BYTES = 2**20
_PAGES = ("/console/", "/s/", "/assets/")
_CODES: tuple[tuple[type[TenantryError], int], ...] = (
    (NotFound, 404),
    (InvalidInput, 422),
    (Conflict, 409),
    (IllegalTransition, 409),
    (Busy, 409),
    (Unavailable, 503),
)


def create(app: App, per_second: float = 20.0, burst: float = 60.0) -> FastAPI:
    """Return the API over an application; each token (or address without one) has ``burst`` requests and ``per_second`` more."""
    made = FastAPI(title="Tenantry", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    made.state.tenantry, made.state.limiter, made.state.streams = app, Limiter(per_second, burst), 0
    made.include_router(routes.router)
    made.include_router(stream.router)
    made.include_router(assets.router)
    made.mount("/s", customer.create(app))
    made.mount("/console", console.create(app))
    made.add_exception_handler(TenantryError, _explained)
    made.add_exception_handler(RequestValidationError, _refused)
    made.middleware("http")(_audited)
    return made


async def _explained(request: Request, error: Exception) -> Response:
    del request
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 400)
    return JSONResponse({"detail": str(error)}, code)


async def _refused(request: Request, error: Exception) -> Response:
    """Name fields and reasons; what was sent is not repeated, it may be a secret."""
    del request
    found = error.errors() if isinstance(error, RequestValidationError) else []
    told = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in found)
    return JSONResponse({"detail": told[:2000]}, 422)


async def _audited(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    length = request.headers.get("content-length", "0")
    is_counted = length.isascii() and length.isdigit() and "transfer-encoding" not in request.headers
    if not is_counted or int(length) > _BODY_BYTES:
        return JSONResponse({"detail": "the body has no length, or more than 1 MB"}, 422)
    answer = await call_next(request)
    is_api = not request.url.path.startswith(
        _PAGES
    )  # those write an audit of their own; a customer's address is a secret
    if is_api and (request.method not in ("GET", "HEAD") or answer.status_code in (401, 403)):
        token = getattr(request.state, "token", "")
        await run_in_threadpool(_write, token, request.method, request.url.path, answer.status_code)
    return answer


def _write(token: str, method: str, path: str, status: int) -> None:
    with session():
        access.audit(token, method, path, status)
