"""A look at whatever kind of certificate is due: a service's own, a provider's wildcard, or one that shows a wildcard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from orchestrator.certs import rounds, watch
from orchestrator.certs.office import Office
from orchestrator.certs.watch import Hands
from orchestrator.core.certificates import CertificateState as State
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import cadence, machine
from orchestrator.plan.certificates import steps as plans
from orchestrator.plan.certificates.view import Change
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import certificates, parents, snapshots, wildcards
from orchestrator.store.database import transaction

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def look(office: Office, row: CertificateRow) -> None:
    """Look at a certificate whose lease is ours. LeaseLost when somebody else has written meanwhile."""
    if row.parent_id is not None:
        _wildcard(office, row)
    elif row.shared_id is not None and row.state not in (State.CUSTOM, State.DEPLOY):
        _showing(office, row)
    else:
        rounds.look(office, row)


def _wildcard(office: Office, row: CertificateRow) -> None:
    service = _owner(row)
    if service is None:
        error = f"the zone of {row.names[0]} is on no DNS server of a service here; deploy the service that owns it"
        certificates.write(row, machine.deferred(office.now + _HOUR), error=error)
    elif row.state == State.DEPLOY:
        transaction(lambda: _issued(office, row))
    elif row.answers:
        _tidy(office, row, service)
    elif row.state == State.CA_PAUSED or not office.is_open:
        certificates.write(row, machine.deferred(office.now + (_DAY if office.is_open else _MINUTE)))
    elif row.state == State.ACTIVE:
        certificate, more = rounds.asked_when(office, row)
        change = machine.looked(certificate, certificates.policy(), office.now)
        certificates.write(row, Change(values={**change.values, **more}))
    else:
        _wanted(office, row, service)


def _owner(row: CertificateRow) -> ServiceView | None:
    """Return the service whose zone a wildcard is proven in."""
    owner = parents.owner_service(wildcards.parent_of(row).zone_owner)
    service = snapshots.of(owner.id) if owner is not None else None
    return service if service is not None and service.dns else None


def _tidy(office: Office, row: CertificateRow, service: ServiceView) -> None:
    """Before anything else: what is still published in the DNS is taken back, by its own operation or by another."""

    def work() -> None:
        if wildcards.is_answering(row):
            certificates.write(row, machine.deferred(office.now + _MINUTE))
            return
        number = rounds.begin(service, "certificate.tidy", plans.tidying(service, row.id))
        answers = dict.fromkeys(row.answers or {}, number)
        certificates.write(row, machine.deferred(office.now + _MINUTE), answers=answers)

    transaction(work)


def _issued(office: Office, row: CertificateRow) -> None:
    """A wildcard is on no server for itself: it is in use as soon as the services that show it are told."""
    change = machine.installed(certificates.view(row), certificates.policy(), office.now)
    more = {"next_check_at": office.now + _MINUTE} if row.answers else {}
    certificates.write(row, change, operation_id=None, error=None, **more)
    wildcards.wake(row.id, office.now)


def _wanted(office: Office, row: CertificateRow, service: ServiceView) -> None:
    ours = frozenset(address for server in service.dns for address in (server.ipv4, server.ipv6) if address)
    eyes = office.see(office.authority())
    seen = watch.look_at(certificates.view(row), certificates.misses(row), ours, eyes, office.now)

    def issue(row: CertificateRow, names: Sequence[str], fingerprint: str) -> int:
        return rounds.begin(service, "certificate.issue", plans.ordering(row.id, names, fingerprint))

    transaction(lambda: watch.decide(row, seen, Hands(issue=issue), office.now))


def _showing(office: Office, row: CertificateRow) -> None:
    """Look at what a vanity service shows: never ordered, only installed whenever there is another wildcard."""
    shared, service = wildcards.shown_by(row), snapshots.of(int(row.service_id or 0))
    certificate, policy = certificates.view(row), certificates.policy()
    if shared is None:
        error = "waits for the certificate of its parent domain; see `tenantry ssl status`"
        certificates.write(row, machine.missed(certificate, policy, office.now), error=error)
        return
    leaf = certificates.view(shared).leaf
    assert leaf is not None  # noqa: S101 - it has a serial
    if row.state != State.ACTIVE or row.serial != shared.serial:
        certificates.write(row, machine.adopted(certificate, leaf, office.now), operation_id=None, error=None)
    elif rounds.is_elsewhere(office, row, service):
        certificates.write(row, machine.not_served(certificate, office.now), operation_id=None)
    else:
        certificates.write(row, machine.deferred(cadence.active_look(certificate, leaf, policy, office.now)))
