"""One look at one certificate that is due: what is begun, or when it is looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.certs import accounts, steps, strangers, watch
from orchestrator.certs.acme_network import Refused
from orchestrator.certs.office import Office
from orchestrator.certs.watch import Hands
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.records import Plan
from orchestrator.core.states import OPEN_STATUSES
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.task import Operation, Task
from orchestrator.plan.certificates import cadence, custom, machine
from orchestrator.plan.certificates import steps as plans
from orchestrator.plan.certificates.view import Certificate, Change, RenewalInfo
from orchestrator.plan.snapshot import ServerView, ServiceView
from orchestrator.store import certificate_orders, certificates, fleet, material, snapshots, tasks
from orchestrator.store.database import transaction

ACTOR = "certificates"
_SOON, _MINUTE, _DAY = timedelta(seconds=10), timedelta(minutes=1), timedelta(days=1)
_PRIORITY = 110  # after what people ask for
_AT_ONCE = 5  # certificates of a server between order and installation: one that takes none costs no more orders


def look(office: Office, row: CertificateRow) -> None:
    """Look at a certificate whose lease is ours. LeaseLost when somebody else has written meanwhile."""
    service = snapshots.of(int(row.service_id or 0))
    if row.state == State.CUSTOM:
        _custom(office, row, service)
    elif row.state == State.DEPLOY:
        _deploy(office, row, service)
    elif row.state == State.ACTIVE:
        _active(office, row, service)
    elif row.state == State.CA_PAUSED or not office.is_open:
        certificates.write(row, machine.deferred(office.now + (_DAY if office.is_open else _MINUTE)))
    else:
        _wanted(office, row, service)


def begin(service: ServiceView, intent: str, plan: Plan) -> int:
    """Store an operation inside the caller's transaction."""
    return tasks.add_operation(intent, 0, service.id, service.generation, ACTOR, plan, _PRIORITY)


def begin_deploy(service: ServiceView, row: CertificateRow) -> int:
    """Begin to install what is in the store, inside the caller's transaction; returns the operation."""
    return begin(service, "certificate.deploy", plans.deploying(service, row.role, row.id))


def _wanted(office: Office, row: CertificateRow, service: ServiceView) -> None:
    """Look at the names; before that every server of theirs has to answer a CA, or nothing could be proven."""
    authority, servers = office.authority(), plans.servers_of(service, row.role)
    silent = [server for server in servers if server.challenge != authority.thumbprint]
    if silent:
        transaction(lambda: _answer(office, row, service, silent))
        return
    if _is_crowded(office, row, servers):  # asked once more when it is ordered; until then its names are left alone
        return
    foreign = strangers.kept(office, row, service)
    if foreign is not None:
        certificates.write(row, machine.deferred(foreign.until), verdict="", error=foreign.told)
        return
    ours = frozenset(address for server in servers for address in (server.ipv4, server.ipv6) if address)
    seen = watch.look_at(certificates.view(row), certificates.misses(row), ours, office.see(authority), office.now)

    def issue(row: CertificateRow, names: Sequence[str], fingerprint: str) -> int:
        return begin(service, "certificate.issue", plans.issuing(row.id, names, fingerprint))

    def work() -> None:
        fleet.lock([server.id for server in servers])
        if _is_crowded(office, row, servers):
            return
        if seen.deciding.reason == "self_test" and row.error != seen.deciding.detail:  # ours, and newly silent
            for server in servers:
                fleet.set_challenge(server.id, "")
        watch.decide(row, seen, Hands(issue=issue), office.now)

    transaction(work)


def _is_crowded(office: Office, row: CertificateRow, servers: Sequence[ServerView]) -> bool:
    """Put a certificate off while enough others are on their way to one of its servers: a broken one costs no more orders."""
    count, error = certificate_orders.on_the_way(row.role, [server.id for server in servers], office.now)
    if count < _AT_ONCE:
        return False
    more = {"error": f"waits for {count} others on the same server, where: {error}"[:2000]} if error else {}
    certificates.write(row, machine.deferred(office.now + _MINUTE), **more)
    return True


def _answer(office: Office, row: CertificateRow, service: ServiceView, silent: Sequence[ServerView]) -> None:
    """Let servers answer a CA, unless that is under way for another certificate."""
    ids = [server.id for server in silent]
    under_way = Task.select(Task.server_id).where(
        (Task.action == plans.CHALLENGE) & (Task.server_id << ids) & (Task.status << list(OPEN_STATUSES))
    )
    waiting = {task.server_id for task in under_way}
    left = [server for server in silent if server.id not in waiting]
    if not left:
        certificates.write(row, machine.deferred(office.now + _SOON))
        return
    operation = begin(service, "certificate.answer", plans.answering(left))
    certificates.write(row, machine.deferred(office.now + _MINUTE), operation_id=operation)


def _deploy(office: Office, row: CertificateRow, service: ServiceView) -> None:
    """Install what is in the store; while an operation is at it, wait for its end."""
    operation = Operation.get_or_none(Operation.id == row.operation_id) if row.operation_id else None
    if operation is None:

        def work() -> None:
            number = begin_deploy(service, row)
            certificates.write(row, machine.deferred(office.now + _MINUTE), operation_id=number)

        transaction(work)
    elif operation.status == "running":
        certificates.write(row, machine.deferred(office.now + _MINUTE))
    else:
        change = machine.not_installed(certificates.view(row), office.now)
        error = str(operation.error or "the deploy was cut short")[:2000]
        transaction(lambda: certificates.write(row, change, operation_id=None, error=error))


def asked_when(office: Office, row: CertificateRow) -> tuple[Certificate, dict[str, Any]]:
    """Ask the CA when to renew; returns what is known then, and what of it is new."""
    certificate = certificates.view(row)
    found = _renewal(office, row, certificate) if office.is_open else None
    return (certificate, {}) if found is None else (replace(certificate, renewal=found), {"renewal": found})


def _active(office: Office, row: CertificateRow, service: ServiceView) -> None:
    """Ask the CA when to renew, look at what is served, and go on."""
    certificate, more = asked_when(office, row)
    change = machine.looked(certificate, certificates.policy(), office.now)
    if "state" not in change.values and is_elsewhere(office, row, service):
        change = machine.not_served(certificate, office.now)
        certificates.write(row, Change(values={**change.values, **more}), operation_id=None)
        return
    certificates.write(row, Change(values={**change.values, **more}))


def _renewal(office: Office, row: CertificateRow, certificate: Certificate) -> RenewalInfo | None:
    """Return what the CA says about the renewal; an error never keeps a certificate from being renewed."""
    now, leaf = office.now, certificate.leaf
    is_due = row.poll_at is None or row.poll_at <= now
    if leaf is None or leaf.not_after <= now or not row.renewal_id or not is_due:
        return None
    try:
        _, client = accounts.open_account(office.accounts())
        told = client.renewal_info(row.renewal_id)
    except Refused:
        return None
    if told is None:
        return None
    start, end, pause, _ = told
    return cadence.drawn(row.id, certificate.renewal, start, end, pause, now)


def is_elsewhere(office: Office, row: CertificateRow, service: ServiceView) -> bool:
    """True when a server answers with another certificate than the stored one; one that does not answer says nothing."""
    serial = _serial(row)
    shown = [office.shown(place) for place in steps.places(service, row.role, steps.shown_names(row))]
    return any(one.leaf is not None and not one.is_serial(serial) for one in shown)


def _serial(row: CertificateRow) -> str:
    if row.state != State.CUSTOM:
        return str(row.serial)
    return material.serial_of(row.id, material.CUSTOM)


def _custom(office: Office, row: CertificateRow, service: ServiceView) -> None:
    """Warn once for each threshold before a customer's certificate ends; put it back where a server has lost it."""
    now = office.now
    days = [int(part) for part in str(fleet.knob_value("ssl.custom_warn_days")).split(",")]
    passed, serial = custom.threshold(row.custom_not_after, days, now), _serial(row)
    more: dict[str, Any] = {}
    operation = Operation.get_or_none(Operation.id == row.operation_id) if row.operation_id else None
    is_lost = (operation is None or operation.status != "running") and is_elsewhere(office, row, service)

    def work() -> None:
        if is_lost:
            more["operation_id"] = begin_deploy(service, row)
        if passed is not None and row.warned != f"{serial}:{passed}":
            more["warned"] = f"{serial}:{passed}"
            ends = row.custom_not_after.isoformat()
            certificates.tell(row, "custom_expires", "", not_after=ends, within_days=passed)
        certificates.write(row, machine.deferred(custom.next_look(row.custom_not_after, days, now)), **more)

    transaction(work)
