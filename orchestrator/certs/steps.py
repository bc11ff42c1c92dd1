"""The steps of a certificate's operations that are the orchestrator's own, and what its steps on nodes carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.certs import answers, issuing, proving
from orchestrator.certs.office import Office
from orchestrator.certs.tls_probe import Place, Protocol
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.errors import Conflict, Unavailable
from orchestrator.core.states import Role
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.task import Task
from orchestrator.plan.certificates import machine
from orchestrator.plan.certificates import steps as plans
from orchestrator.plan.certificates.problems import Problem
from orchestrator.plan.objects import CertificateView
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import certificates, material, snapshots, tasks
from orchestrator.store.material import AUTO, CUSTOM

Apply = Callable[[], dict[str, Any]]
Cancelled = Callable[[], bool]
_SKIPPED = {"skipped": "the certificate has moved on"}
_PORTS = {
    str(Role.WEB): ((443, Protocol.TLS),),
    str(Role.MAIL): ((465, Protocol.TLS), (587, Protocol.SMTP), (993, Protocol.TLS)),
}


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Carries out local steps; each asks the world first and returns what is recorded in the task's transaction."""

    office: Office

    def order(self, task: Task, cancelled: Cancelled) -> Apply:
        """certificate.order: an order at the CA, inside every limit."""
        del cancelled
        row = certificates.get(int(tasks.parse_params(task.params)["certificate"]))
        if row.parent_id is not None and _is_ordering(row, task):
            return answers.order(self.office, task, row)
        return self._talk(task, lambda row, names, seen: issuing.begin(self.office.desk(), row, names, seen))

    def validate(self, task: Task, cancelled: Cancelled) -> Apply:
        """certificate.validate: proof of the names, and the certificate in the store."""
        pace = replace(self.office.pace, cancelled=cancelled)

        def talk(row: CertificateRow, names: Sequence[str], seen: str) -> Problem | None:
            kind = proving.HTTP if row.parent_id is None else proving.DNS
            return issuing.issue(self.office.desk(), row, names, seen, kind, pace)

        return self._talk(task, talk)

    def _talk(self, task: Task, talk: Callable[[CertificateRow, Sequence[str], str], Problem | None]) -> Apply:
        """How it ends is the certificate's state, not the task's: its next attempt follows the CA's rules."""
        params = tasks.parse_params(task.params)
        row = certificates.get(int(params["certificate"]))
        if not _is_ordering(row, task):
            return lambda: _SKIPPED
        problem = talk(row, tuple(params["names"]), str(params["fingerprint"]))
        answer: dict[str, Any] = {"certificate": row.id}
        if problem is not None:
            answer |= {"trouble": str(problem.trouble), "error": f"{problem.kind}: {problem.detail}"[:2000]}
        return lambda: answer

    def probe(self, task: Task, cancelled: Cancelled) -> Apply:
        """certificate.probe: what every server shows from outside; then the certificate is in use."""
        del cancelled
        row = certificates.get(int(tasks.parse_params(task.params)["certificate"]))
        if not _is_deploying(row, task):
            return lambda: _SKIPPED
        service = snapshots.of(int(task.service_id or 0))
        held = view(self.office, row)
        for place in places(service, row.role, held.names):
            shown = self.office.shown(place)
            if not shown.is_serial(held.serial):
                seen = shown.error or (f"serial {shown.leaf.serial}" if shown.leaf else "nothing")
                where = f"{place.address} port {place.port}"
                raise Unavailable(f"{where} does not show the certificate of {place.name} yet ({seen})")
        return lambda: self._installed(row.id, task, held.serial)

    def _installed(self, certificate: int, task: Task, serial: str) -> dict[str, Any]:
        row = certificates.get(certificate)
        if not _is_deploying(row, task):
            return _SKIPPED
        if row.state == State.DEPLOY:
            change = machine.installed(certificates.view(row), certificates.policy(), self.office.now)
        else:
            change = machine.deferred(self.office.now)
        certificates.write(row, change, operation_id=None, error=None)
        return {"certificate": row.id, "serial": serial}

    def complete(self, task: Task, service: ServiceView) -> ServiceView:
        """Return the service with what a step about a certificate carries; any other step gets nothing."""
        if task.action == plans.CHALLENGE:
            return replace(service, account_thumbprint=self.office.authority().thumbprint)
        if task.action in (plans.PRESENT, plans.ABSENT):
            return answers.published(task, service)
        if not task.action.endswith(".certificate_present"):
            return service
        row = certificates.get(int(tasks.parse_params(task.params).get("certificate") or 0))
        if row.service_id != service.id or f"{row.role}.certificate_present" != task.action:
            raise Conflict(f"certificate {row.id} is not this service's; nothing was changed")
        held = view(self.office, row, service.https_redirect and self._is_valid(row))
        return replace(service, certificates=(held,))

    def _is_valid(self, row: CertificateRow) -> bool:
        """True until the certificate that is deployed has expired: nobody is sent to one that clients refuse."""
        ends = row.custom_not_after if row.state == State.CUSTOM else row.not_after
        return ends is not None and ends > self.office.now


def _is_ordering(row: CertificateRow, task: Task) -> bool:
    return row.state == State.ISSUING and row.operation_id == task.operation_id


def _is_deploying(row: CertificateRow, task: Task) -> bool:
    return row.state in (State.DEPLOY, State.CUSTOM) and row.operation_id == task.operation_id


def view(office: Office, row: CertificateRow, redirect: bool = False) -> CertificateView:
    """Return the certificate that servers should show: the customer's own while there is one."""
    kind = CUSTOM if row.state == State.CUSTOM else AUTO
    pair = material.get(office.storage_key(), row.id if kind == CUSTOM else row.shared_id or row.id, kind)
    if pair is None:
        raise Conflict(f"certificate {row.id} has nothing in the store to deploy; ask for certificate.issue")
    return CertificateView(
        role=row.role,
        names=shown_names(row),
        certificate=pair.certificate + pair.chain,
        private_key=pair.private_key.decode(),
        serial=pair.serial,
        redirect=redirect,
    )


def shown_names(row: CertificateRow) -> tuple[str, ...]:
    """Return the names that servers show the certificate for: those that it has, or of a wildcard those that it stands for."""
    is_wider = row.state == State.CUSTOM or row.shared_id is not None
    return tuple(row.names) if is_wider else tuple(row.issued_names or ())


def places(service: ServiceView, role: str, names: Sequence[str]) -> list[Place]:
    """Return where a role's names show a certificate: every address of its servers, every port."""
    return [
        Place(address=address, port=port, name=name, protocol=protocol)
        for server in plans.servers_of(service, role)
        for address in (server.ipv4, server.ipv6)
        if address
        for port, protocol in _PORTS[role]
        for name in names
    ]
