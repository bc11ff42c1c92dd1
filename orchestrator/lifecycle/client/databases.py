"""web.database_present and web.database_absent: a database with one user of the same name."""

from __future__ import annotations

from typing import Any

from orchestrator.core import values
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin, passwords
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import database_step
from orchestrator.store import objects

_KIND, _LIMIT = "database", "databases"


def database_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the database and plans its step."""
    read.only(intent.params, ("name", "password_sealed"))
    given = values.suffix(read.required(intent.params, "name"))
    sealed = read.optional(intent.params, "password_sealed")
    password_hash = "" if sealed is None else passwords.database_hash(context.private_key(), sealed)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        name = values.below(row.username, given, values.DATABASE_MAXIMUM)
        found = objects.find(_KIND, row.id, name=name)
        base.require_room(row, _KIND, _LIMIT, found)
        if found is None and not password_hash:
            raise InvalidInput("password_sealed", "is missing", "a new database needs a password")
        objects.put(_KIND, row.id, {"name": name}, {"password_hash": password_hash} if password_hash else {})
        return begin.change(row, intent, lambda view: _steps(view, name), []) | {"name": name}

    return apply


def database_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of a database and its user."""
    del context
    read.only(intent.params, ("name",))
    given = values.suffix(read.required(intent.params, "name"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.WEB)
        name = values.below(row.username, given, values.DATABASE_MAXIMUM)
        found = objects.find(_KIND, row.id, name=name)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, name)) | {"name": name}

    return apply


def _steps(view: ServiceView, name: str) -> list[StepSpec]:
    server = view.web
    return [database_step(server.name, one) for one in view.databases if server and one.name == name]
