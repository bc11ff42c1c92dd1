"""What people ask of certificates: one now, another one, the customer's own, or ours again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Plan
from orchestrator.core.sealed import KEY_BLOCKS, unseal
from orchestrator.core.states import Role, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.service import Service
from orchestrator.plan.certificates import freeze, machine, upload
from orchestrator.plan.certificates import steps as plans
from orchestrator.plan.certificates.view import Change
from orchestrator.store import certificates, material, snapshots, tasks, wildcards
from orchestrator.store.material import AUTO, CUSTOM, Pair

_UNDER_WAY = (State.ISSUING, State.DEPLOY)


def _role(value: Any) -> str:
    if value not in (Role.WEB, Role.MAIL):
        raise InvalidInput("role", f"{shown(value)} has no certificate", "give web or mail")
    return str(value)


def _active(intent: Intent) -> Service:
    row = begin.locked(intent)
    begin.require_status(row, (ServiceStatus.ACTIVE,), "given a certificate")
    return row


def issue(intent: Intent, context: Context) -> Apply:
    """certificate.issue: look and order now. It passes a freeze, a pause and a block, never a limit of the CA."""
    del context
    return _by_hand(intent, _issued_now)


def renew(intent: Intent, context: Context) -> Apply:
    """certificate.renew: another certificate in the place of one that still works; otherwise as certificate.issue."""
    del context
    return _by_hand(intent, _renewed_now)


def _by_hand(intent: Intent, ask: Callable[[CertificateRow, datetime], str]) -> Apply:
    read.only(intent.params, ("role",))
    given = read.optional(intent.params, "role")
    role = "" if given is None else _role(given)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        service = _active(intent)
        rows = [certificates.of_role(service.id, role)] if role else certificates.of_service(service.id)
        if not rows or rows[0].shared_id is not None:
            raise Conflict(f"service {service.id} has no certificate of its own; its parent domain has one for all")
        told = {row.role: ask(row, utc_now()) for row in rows}
        provider = [] if role else wildcards.owned_by(service)
        return told | {row.names[0]: ask(row, utc_now()) for row in provider}

    return apply


def _issued_now(row: CertificateRow, now: datetime) -> str:
    certificate = certificates.view(row)
    if certificate.state is State.ACTIVE and machine.is_fresh(certificate, now):
        return "is in use and not due; ask for certificate.renew to have another one"
    return _asked(row, now)


def _renewed_now(row: CertificateRow, now: datetime) -> str:
    if not row.serial and row.state != State.CUSTOM:
        raise Conflict(f"role: there is no {row.role} certificate to renew yet; ask for certificate.issue")
    return _asked(row, now)


def _asked(row: CertificateRow, now: datetime) -> str:
    certificate = certificates.view(row)
    if certificate.state is State.CUSTOM:
        raise Conflict(
            f"role: the {row.role} certificate is the customer's own; ask for certificate.remove_custom first"
        )
    if certificate.state in _UNDER_WAY:
        return "is under way"
    later = freeze.manual_wait(certificate, now)
    if later is not None:
        raise Conflict(f"role: asked for too often; the next order by hand may be made at {later:%H:%M:%S} UTC")
    certificates.write(row, machine.asked_by_hand(certificate, now), operation_id=None)
    return "is looked at now"


def upload_custom(intent: Intent, context: Context) -> Apply:
    """certificate.upload: the customer's own certificate, checked first; it is never replaced by one of ours."""
    read.only(intent.params, ("role", "certificate", "private_key_sealed", "chain"))
    role, params = _role(read.required(intent.params, "role")), intent.params
    pem, chain = _pem(read.required(params, "certificate"), "certificate"), _pem(params.get("chain") or "", "chain")
    sealed = read.required(params, "private_key_sealed")
    key = unseal(context.private_key(), sealed, "private_key_sealed", KEY_BLOCKS).encode()
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        service = _active(intent)
        row = certificates.of_role(service.id, role)
        checked = upload.check(pem, key, chain, row.names, context.trust(), utc_now())
        return _install(service, intent, row, checked, context.storage_key())

    return apply


def _pem(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, "is no text", "give PEM, which begins with -----BEGIN CERTIFICATE-----")
    return value


def _install(
    service: Service, intent: Intent, row: CertificateRow, checked: upload.Upload, key: bytes
) -> dict[str, Any]:
    """Store the pair and begin its deploy; an order that is under way ends in the store."""
    serial = checked.leaf.serial
    same = material.get(key, row.id, CUSTOM)
    if row.state == State.CUSTOM and same is not None and same.serial == serial:
        return {"skipped": f"certificate {serial} is in use already"}
    pair = Pair(certificate=checked.certificate, chain=checked.chain, private_key=checked.private_key, serial=serial)
    material.put(key, row.id, CUSTOM, pair)
    operation = _operation(service, intent, plans.deploying(snapshots.of(service.id), row.role, row.id))
    certificates.write(
        row,
        machine.customised(certificates.view(row)),
        custom_not_after=checked.leaf.not_after,
        warned="",
        operation_id=operation,
        next_check_at=utc_now(),
        error=None,
    )
    return {"operation_id": operation, "serial": serial, "warnings": list(checked.warnings)}


def _operation(service: Service, intent: Intent, plan: Plan) -> int:
    return tasks.add_operation(
        intent.action, intent.task_id, service.id, service.generation, intent.requested_by, plan, intent.priority
    )


def remove_custom(intent: Intent, context: Context) -> Apply:
    """certificate.remove_custom: back to our certificate, without an order while it is still valid."""
    del context
    read.only(intent.params, ("role",))
    role = _role(read.required(intent.params, "role"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        service = _active(intent)
        row = certificates.of_role(service.id, role)
        if row.state != State.CUSTOM:
            return {"skipped": f"the {role} certificate of service {service.id} is ours"}
        change = machine.custom_removed(certificates.view(row), certificates.policy(), utc_now())
        return _given_up(service, intent, row, change)

    return apply


def _given_up(service: Service, intent: Intent, row: CertificateRow, change: Change) -> dict[str, Any]:
    """Forget the customer's pair; where there is none of ours to follow it the placeholder is shown meanwhile."""
    material.remove(row.id, CUSTOM)
    follows = change.values["state"] == State.DEPLOY and certificates.has_material(row.shared_id or row.id, AUTO)
    answer: dict[str, Any] = {"follows": "the stored certificate of ours" if follows else "a new order"}
    if not follows:
        steps = plans.removing(snapshots.of(service.id), row.role)
        answer["operation_id"] = _operation(service, intent, Plan(steps=tuple(steps)))
    certificates.write(row, change, custom_not_after=None, warned="", operation_id=None, error=None)
    return answer
