"""What a page asks for becomes a row of the queue, as with every other way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile

from orchestrator.app import App
from orchestrator.config import keys
from orchestrator.core.errors import InvalidInput
from orchestrator.core.sealed import seal
from orchestrator.plan.catalog import PLAN
from orchestrator.plan.certificates.upload import MAXIMUM_BYTES
from orchestrator.store import customer, plans, tasks

_PEM_FIELDS = ("certificate", "private_key", "chain")


def ask(app: App, action: str, service_id: int, params: Mapping[str, Any], actor: str) -> str:
    """Check a request and write it down; the same that is in the queue already is not written twice."""
    app.check(action, service_id, params, actor)
    if not params and customer.is_open(service_id, action):
        return "is in the queue already"
    task = tasks.enqueue(action, service_id=service_id, params=dict(params), requested_by=actor)
    return f"task {task}"


def plan(app: App, action: str, service_id: int, params: Mapping[str, Any], actor: str) -> str:
    """Ask what an action would change on the servers; the same question that is open already is not asked twice."""
    question = {"action": action, "params": dict(params)}
    app.check(PLAN, service_id, question, actor)
    if (asked := plans.open_one(service_id, question)) is not None:
        return f"task {asked} asks them already"
    task = tasks.enqueue(PLAN, service_id=service_id, params=question, requested_by=actor)
    return f"task {task}"


async def pem_of(form: FormData) -> dict[str, str]:
    """Return what was pasted or chosen as a file, by field; a file comes first."""
    found = {"role": str(form.get("role", ""))}
    for field in _PEM_FIELDS:
        chosen = form.get(f"{field}_file")
        content = await chosen.read(MAXIMUM_BYTES + 1) if isinstance(chosen, UploadFile) else b""
        text = content.decode("utf-8", "replace") if content else str(form.get(field, ""))
        if len(text) > MAXIMUM_BYTES:
            raise InvalidInput(field, "is too long", f"give at most {MAXIMUM_BYTES // 1024} KiB of PEM")
        found[field] = text
    return found


def upload(app: App, service_id: int, pem: Mapping[str, str], actor: str) -> str:
    """Ask for a customer's own certificate; what is wrong with it is said at once. The key is sealed before it is stored."""
    if not pem["certificate"].strip() or not pem["private_key"].strip():
        missing = "private_key" if pem["certificate"].strip() else "certificate"
        raise InvalidInput(missing, "is missing", "paste PEM, or choose a file of it")
    public = keys.load_private_key(app.settings.home).public_key()
    params = {"role": pem["role"], "certificate": pem["certificate"]}
    params["private_key_sealed"] = seal(public, pem["private_key"])
    if pem["chain"].strip():
        params["chain"] = pem["chain"]
    app.try_out("certificate.upload", service_id, params, actor)
    task = tasks.enqueue("certificate.upload", service_id=service_id, params=params, requested_by=actor)
    return f"task {task}"
