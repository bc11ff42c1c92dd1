"""web.sftp_present and web.sftp_absent: a login that may only exchange files, by password, by key, or both."""

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
from orchestrator.plan.steps import sftp_step
from orchestrator.store import objects

_KIND, _LIMIT = "sftp_account", "sftp_accounts"
_KEYS_MAXIMUM = 20
_FOLDER = "www"


def sftp_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the login and plans its step. What is left out stays as it is.

    A new login with neither password nor key has the account's password, and follows it (service.change_password).
    """
    params = intent.params
    read.only(params, ("name", "password_sealed", "public_keys", "folder"))
    given = values.suffix(read.required(params, "name"))
    changes = _changes(intent, context)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        name = values.below(row.username, given, values.LOGIN_MAXIMUM)
        found = objects.find(_KIND, row.id, name=name)
        base.require_room(row, _KIND, _LIMIT, found)
        objects.put(_KIND, row.id, {"name": name}, _whole(found, changes, row.password_hash))
        return begin.change(row, intent, lambda view: _steps(view, name), []) | {"name": name}

    return apply


def _changes(intent: Intent, context: Context) -> dict[str, Any]:
    """Return the columns that the request gives, each checked."""
    params = intent.params
    found: dict[str, Any] = {}
    sealed, folder = read.optional(params, "password_sealed"), read.optional(params, "folder")
    if sealed is not None:
        found["password_hash"] = passwords.hashed(context.private_key(), sealed)
    if params.get("public_keys") is not None:
        listed = read.listed(params["public_keys"], "public_keys", _KEYS_MAXIMUM)
        found["public_keys"] = list(dict.fromkeys(values.public_key(key) for key in listed))
    if folder is not None:
        found["folder"] = values.folder(folder)
    return found


def _whole(found: Any, changes: dict[str, Any], of_account: str) -> dict[str, Any]:
    """Return all columns of the login; one that nothing would let in has the account's password, or is refused."""
    old = {"password_hash": "", "public_keys": [], "folder": _FOLDER}
    if found is not None:
        old = {column: getattr(found, column) for column in old}
    whole = old | changes
    if found is None and not whole["password_hash"] and "public_keys" not in changes:
        whole["password_hash"] = of_account
    if not whole["password_hash"] and not whole["public_keys"]:
        raise InvalidInput(
            "password_sealed", "is missing, and there is no key", "give a password, a public key, or both"
        )
    return whole


def sftp_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of a login; the files it has uploaded stay."""
    del context
    read.only(intent.params, ("name",))
    given = values.suffix(read.required(intent.params, "name"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.WEB)
        name = values.below(row.username, given, values.LOGIN_MAXIMUM)
        found = objects.find(_KIND, row.id, name=name)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, name)) | {"name": name}

    return apply


def _steps(view: ServiceView, name: str) -> list[StepSpec]:
    server = view.web
    return [sftp_step(server.name, one) for one in view.sftp_accounts if server and one.name == name]
