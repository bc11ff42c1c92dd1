"""What every command shares: the application of this process, and errors as one line with an exit code."""

from __future__ import annotations

import getpass
from functools import lru_cache

from orchestrator.app import App
from orchestrator.config.settings import from_environment
from orchestrator.core.errors import Unavailable
from orchestrator.store import schema


@lru_cache(maxsize=1)
def bare_app() -> App:
    """Return the application without asking whether its tables are there."""
    return App(from_environment())


def app() -> App:
    """Return the application; Unavailable tells to run init when the schema is missing or old."""
    found = bare_app()
    require_schema()
    return found


def require_schema() -> None:
    """Raise Unavailable, which tells to run init, when the schema is missing or old."""
    if schema.version() < max(schema.migrations()):
        raise Unavailable("the database is not up to date; run `tenantry init`")


def actor() -> str:
    """Return who is asking, for the audit trail."""
    return f"cli:{getpass.getuser()}"[:64]
