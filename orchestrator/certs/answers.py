"""Answers to a CA in the DNS: published before the CA is told to look, taken back by the same operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.certs import issuing
from orchestrator.certs.office import Office
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.errors import Conflict
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.task import Task
from orchestrator.plan.certificates import steps as plans
from orchestrator.plan.certificates.problems import Problem
from orchestrator.plan.certificates.view import Change
from orchestrator.plan.objects import ChallengeView
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import certificates, snapshots, tasks, wildcards

Apply = Callable[[], dict[str, Any]]
_SKIPPED = {"skipped": "the certificate has moved on"}
_PRIORITY = 110  # after what people ask for


def order(office: Office, task: Task, row: CertificateRow) -> Apply:
    """Order a wildcard; what follows it, as many steps as there are DNS servers, is known only then."""
    params = tasks.parse_params(task.params)
    names, seen = tuple(params["names"]), str(params["fingerprint"])
    found = issuing.begin_dns(office.desk(), row, names, seen)
    if isinstance(found, Problem):
        answer = {"certificate": row.id, "trouble": str(found.trouble), "error": f"{found.kind}: {found.detail}"[:2000]}
        return lambda: answer

    def apply() -> dict[str, Any]:
        fresh = certificates.get(row.id)
        if fresh.state != State.ISSUING or fresh.operation_id != task.operation_id:
            return _SKIPPED
        service = snapshots.of(int(task.service_id or 0))
        plan = plans.proving(service, fresh.id, names, seen, len(found) > 0)
        number = tasks.add_operation(
            "certificate.prove", 0, service.id, service.generation, task.requested_by, plan, _PRIORITY
        )
        certificates.write(fresh, Change(), operation_id=number, answers=dict.fromkeys(found, number) or None)
        return {"certificate": fresh.id, "answers": len(found)}

    return apply


def published(task: Task, service: ServiceView) -> ServiceView:
    """Return the service with the values that a step publishes or takes back: its own operation's, or older ones too."""
    row = certificates.get(int(tasks.parse_params(task.params).get("certificate") or 0))
    if row.parent_id is None or wildcards.parent_of(row).zone_owner != service.owner:
        raise Conflict(f"certificate {row.id} is not proven in a zone of service {service.id}; nothing was changed")
    mine = int(task.operation_id or 0)
    is_absent = task.action == plans.ABSENT
    values = [value for value, number in (row.answers or {}).items() if number == mine or (is_absent and number < mine)]
    view = ChallengeView(zone=f"{service.domain}.", name=plans.answer_name(service), values=tuple(sorted(values)))
    return replace(service, challenges=(view,) if values else ())


def taken_back(task: Task, cancelled: Callable[[], bool]) -> Apply:
    """certificate.tidied: no DNS server has them any more, so they are forgotten."""
    del cancelled

    def apply() -> dict[str, Any]:
        row = certificates.get(int(tasks.parse_params(task.params)["certificate"]))
        mine = int(task.operation_id or 0)
        left = {value: number for value, number in (row.answers or {}).items() if number > mine}
        wildcards.set_answers(row.id, left)
        return {"certificate": row.id, "taken_back": len(row.answers or {}) - len(left)}

    return apply
