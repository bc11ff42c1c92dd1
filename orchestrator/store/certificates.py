"""Certificates in the database: which there are, which are due, and how an event is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from peewee import JOIN

from orchestrator.core.certificates import CertificateState
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import LeaseLost, NotFound
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.models.task import Operation
from orchestrator.plan.certificates import machine
from orchestrator.plan.certificates.names import Misses
from orchestrator.plan.certificates.view import Certificate, Change, Leaf, Policy, RenewalInfo
from orchestrator.store.database import locked, transaction
from orchestrator.store.fleet import knob_value
from orchestrator.store.notices import write as notice

_WAITING = (CertificateState.OFF, CertificateState.ISSUING)  # for something else than time


def policy() -> Policy:
    """Return the operator's knobs."""
    return Policy(
        fast_count=int(knob_value("ssl.fast_count")),
        fast_interval=timedelta(seconds=int(knob_value("ssl.fast_interval_seconds"))),
        normal_interval=timedelta(minutes=int(knob_value("ssl.normal_interval_minutes"))),
        active_interval=timedelta(hours=int(knob_value("ssl.active_interval_hours"))),
        freeze_after=int(knob_value("ssl.freeze_after")),
        freeze=timedelta(hours=int(knob_value("ssl.freeze_hours"))),
    )


def get(certificate_id: int) -> CertificateRow:
    """Return a certificate's row."""
    row = CertificateRow.get_or_none(CertificateRow.id == certificate_id)
    if row is None:
        raise NotFound("certificate", f"there is no certificate {certificate_id}", "see `tenantry ssl status`")
    return row


def of_service(service_id: int) -> list[CertificateRow]:
    """Return a service's certificates, by role."""
    return list(CertificateRow.select().where(CertificateRow.service_id == service_id).order_by(CertificateRow.role))


def listing(limit: int) -> list[CertificateRow]:
    """Return certificates, wildcards of parent domains among them, those with a problem first, then the soonest to end."""
    order = (CertificateRow.error.is_null(), CertificateRow.not_after, CertificateRow.id)
    return list(CertificateRow.select().order_by(*order).limit(limit))


def wanted(owner: Mapping[str, int], names: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Let there be exactly the certificates of these roles, inside the caller's transaction.

    ``owner`` is {"service_id": N} or {"parent_id": N}; ``names`` the names by role. A new one is provisioned, one whose names
    have changed is told so, one that nobody wants any more goes with all that is stored of it.
    """
    [(column, number)] = owner.items()
    rows = {row.role: row for row in CertificateRow.select().where(getattr(CertificateRow, column) == number)}
    for role, row in rows.items():
        if not names.get(role):
            forget(row.id)
    for role, listed in names.items():
        if listed and role not in rows:
            _create(owner, role, listed, now)
        elif listed and tuple(rows[role].names) != tuple(listed):
            write(rows[role], machine.names_changed(view(rows[role]), tuple(listed), now))


def _create(owner: Mapping[str, int], role: str, names: Sequence[str], now: datetime) -> None:
    values = machine.provisioned(policy(), now)
    empty: dict[str, Any] = {"thaws": [], "manual": [], "misses": {}, "failures": 0, "tries": 0, "freeze_level": 0}
    texts = dict.fromkeys(
        ("before_state", "fingerprint", "serial", "renewal_id", "warned", "account_url", "order_url", "verdict"), ""
    )
    CertificateRow.create(
        **owner, role=role, names=list(names), **values, **empty, **texts, version=0, updated_at=utc_now()
    )


def of_role(service_id: int, role: str) -> CertificateRow:
    """Return the certificate of a role of a service, locked for the caller's transaction."""
    mine = (CertificateRow.service_id == service_id) & (CertificateRow.role == role)
    row: CertificateRow | None = locked(CertificateRow.select().where(mine)).first()
    if row is None:
        raise NotFound("role", f"service {service_id} has no {role} certificate", "see `tenantry ssl status`")
    return row


def arrived(service_id: int, names: Mapping[str, Sequence[str]], now: datetime, shared_id: int | None = None) -> None:
    """The service is live: let there be its certificates, awake, and look at once at what is served.

    ``shared_id``: they show another certificate, a wildcard, in the place of their own.
    """
    wanted({"service_id": service_id}, names, now)
    CertificateRow.update(shared_id=shared_id).where(CertificateRow.service_id == service_id).execute()
    for row in of_service(service_id):
        change = machine.unsuspended(view(row), now)
        if change.values:
            write(row, change)
        if row.state in (CertificateState.ACTIVE, CertificateState.CUSTOM):
            write(row, machine.deferred(now))


def rest(service_id: int) -> None:
    """Look at nothing of a service while it is suspended, inside the caller's transaction."""
    for row in of_service(service_id):
        change = machine.suspended(view(row))
        if change.values:
            write(row, change)


def remove_of(service_id: int) -> None:
    """Forget all certificates of a service with their keys, inside the caller's transaction."""
    for row in of_service(service_id):
        forget(row.id)


def wake(operation_id: int, now: datetime) -> None:
    """Let those certificates be looked at now that wait for an operation, inside the caller's transaction."""
    waits = (CertificateRow.operation_id == operation_id) & CertificateRow.state.not_in(list(_WAITING))
    CertificateRow.update(next_check_at=now).where(waits).execute()


def lost(limit: int, now: datetime) -> int:
    """Take up again the orders whose operation has ended without a result; returns how many."""

    def work() -> int:
        issuing = CertificateRow.state == CertificateState.ISSUING
        query = CertificateRow.select().join(
            Operation, JOIN.LEFT_OUTER, on=(Operation.id == CertificateRow.operation_id)
        )
        rows = list(query.where(issuing & (Operation.id.is_null() | (Operation.status != "running"))).limit(limit))
        for row in rows:
            write(row, machine.lost(view(row), now), operation_id=None)
        return len(rows)

    is_any = CertificateRow.select(CertificateRow.id).where(CertificateRow.state == CertificateState.ISSUING).exists()
    return transaction(work) if is_any else 0


def forget(certificate_id: int) -> None:
    """Delete a certificate with its key, inside the caller's transaction."""
    Material.delete().where(Material.certificate_id == certificate_id).execute()
    CertificateRow.delete().where(CertificateRow.id == certificate_id).execute()


def set_order(row: CertificateRow, url: str, account: str, taken: Sequence[str]) -> None:
    """Write an order's address down before anything is asked of it, with what it gives back when it fails."""
    values = {"order_url": url, "account_url": account, "taken": list(taken)}
    CertificateRow.update(values).where(CertificateRow.id == row.id).execute()
    row.order_url, row.account_url, row.taken = url, account, list(taken)


def has_material(certificate_id: int, kind: str) -> bool:
    """True when a pair of this kind is stored."""
    found = Material.select(Material.kind).where((Material.certificate_id == certificate_id) & (Material.kind == kind))
    return bool(found.exists())


def claim(owner: str, lease: timedelta, limit: int, now: datetime) -> list[CertificateRow]:
    """Take up to ``limit`` certificates that are due and return them, the one that expires first before the others."""
    return transaction(lambda: _claim(owner, lease, limit, now)) if limit > 0 else []


def _claim(owner: str, lease: timedelta, limit: int, now: datetime) -> list[CertificateRow]:
    due = CertificateRow.select(CertificateRow.id, CertificateRow.version).where(
        (CertificateRow.next_check_at <= now)
        & CertificateRow.state.not_in(list(_WAITING))
        & (CertificateRow.lease_until.is_null() | (CertificateRow.lease_until < now))
    )
    candidates = due.order_by(CertificateRow.next_check_at).limit(limit)
    taken = [row.id for row in candidates if _take(row, owner, now + lease)]
    found = list(CertificateRow.select().where(CertificateRow.id << taken)) if taken else []
    return sorted(found, key=_urgency)


def _urgency(row: CertificateRow) -> tuple[bool, datetime]:
    """The soonest to expire first, then first certificates in the order of their provisioning."""
    return (row.not_after is None, row.not_after or row.provisioned_at)


def _take(row: CertificateRow, owner: str, until: datetime) -> bool:
    taken = CertificateRow.update(lease_owner=owner, lease_until=until, version=CertificateRow.version + 1).where(
        (CertificateRow.id == row.id) & (CertificateRow.version == row.version)
    )
    return bool(taken.execute())


def write(row: CertificateRow, change: Change, **more: Any) -> None:
    """Write an event; LeaseLost when somebody else has written meanwhile. Ends the lease."""
    values = {**_columns(change.values), **more, "lease_owner": None, "lease_until": None, "updated_at": utc_now()}
    written = CertificateRow.update(version=row.version + 1, **values).where(
        (CertificateRow.id == row.id) & (CertificateRow.version == row.version)
    )
    if not written.execute():
        raise LeaseLost(f"certificate {row.id} was changed by another; what was found out is dropped")
    row.version += 1
    for event in change.notices:
        tell(row, event, str(more.get("error") or row.error or ""))


def tell(row: CertificateRow, event: str, error: str, **more: Any) -> None:
    """Write a notice about a certificate into the outbox, inside the caller's transaction."""
    names = {"certificate": row.id, "service": row.service_id, "role": row.role, "names": list(row.names)}
    notice(f"certificate_{event}", f"certificate:{row.id}", {**names, "error": error, **more})


def view(row: CertificateRow) -> Certificate:
    """Return what the rules see."""
    return Certificate(
        id=row.id,
        state=CertificateState(row.state),
        names=tuple(row.names),
        provisioned_at=row.provisioned_at,
        next_check_at=row.next_check_at,
        leaf=_leaf(row),
        renewal=_renewal(row),
        fast_left=row.fast_left,
        failures=row.failures,
        tries=row.tries,
        freeze_level=row.freeze_level,
        frozen_until=row.frozen_until,
        fingerprint=row.fingerprint,
        thaws=_moments(row.thaws),
        manual=_moments(row.manual),
        before=row.before_state,
    )


def misses(row: CertificateRow) -> dict[str, Misses]:
    """Return how often each name has not led here."""
    return {
        name: Misses(count=count, since=datetime.fromisoformat(since)) for name, (count, since) in row.misses.items()
    }


def _leaf(row: CertificateRow) -> Leaf | None:
    if not row.serial:
        return None
    names = tuple(row.issued_names or ())
    return Leaf(serial=row.serial, names=names, not_before=row.not_before, not_after=row.not_after)


def _renewal(row: CertificateRow) -> RenewalInfo | None:
    if row.renew_at is None:
        return None
    return RenewalInfo(start=row.window_start, end=row.window_end, selected=row.renew_at, next_poll=row.poll_at)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the view's fields."""
    columns = dict(values)
    if "leaf" in columns:
        leaf: Leaf = columns.pop("leaf")
        columns |= {"serial": leaf.serial, "issued_names": list(leaf.names)}
        columns |= {"not_before": leaf.not_before, "not_after": leaf.not_after}
    if "renewal" in columns:
        info: RenewalInfo | None = columns.pop("renewal")
        columns |= {"window_start": info and info.start, "window_end": info and info.end}
        columns |= {"renew_at": info and info.selected, "poll_at": info and info.next_poll}
    for name in ("thaws", "manual"):
        if name in columns:
            columns[name] = [moment.isoformat() for moment in columns[name]]
    if "before" in columns:
        columns["before_state"] = columns.pop("before")
    if "names" in columns:
        columns["names"] = list(columns["names"])
    return columns


def _moments(texts: Sequence[str]) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text) for text in texts)
