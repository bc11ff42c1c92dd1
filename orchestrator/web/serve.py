"""tenantry serve."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn

from orchestrator.app import App
from orchestrator.config.settings import from_environment
from orchestrator.core.errors import Unavailable
from orchestrator.store import schema
from orchestrator.web.api import create

_CONNECTIONS = 1000  # each page that somebody watches holds one
_GRACE_SECONDS = 5  # such a page would never let go; it comes back by itself when the next server answers


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; put a TLS proxy before any but loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8731,
) -> None:
    """Serve the HTTP API until SIGTERM; it writes requests and reads, the queue runs elsewhere (`tenantry run`)."""
    app = App(from_environment())
    if schema.version() != max(schema.migrations()):
        raise Unavailable("the database is not up to date; run `tenantry init`")
    uvicorn.run(
        create(app),
        host=host,
        port=port,
        server_header=False,
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
