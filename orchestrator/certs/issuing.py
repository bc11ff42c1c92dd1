"""One certificate from beginning to end, and what its failure means for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509

from orchestrator.certs import accounts, proving
from orchestrator.certs.accounts import open_account
from orchestrator.certs.acme_network import Refused
from orchestrator.certs.ordering import Desk, take_up
from orchestrator.certs.proving import Pace
from orchestrator.core.certificates import Trouble
from orchestrator.models.certificate import AuthorityRow, CertificateRow
from orchestrator.plan.certificates import buckets as rules
from orchestrator.plan.certificates import leaf as read
from orchestrator.plan.certificates import machine
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import buckets, certificates, material
from orchestrator.store.database import transaction
from orchestrator.store.material import AUTO, PENDING, Pair


def issue(
    desk: Desk, row: CertificateRow, names: Sequence[str], fingerprint: str, kind: str, pace: Pace
) -> Problem | None:
    """Order, prove, download and store a certificate whose challenges are already met; returns what went wrong.

    The certificate's row says afterwards where it stands. LeaseLost when somebody else has changed it meanwhile.
    """
    authority: AuthorityRow | None = None
    try:
        authority, client = open_account(desk.accounts)
        order = take_up(desk, authority, client, row, names)
        pair = proving.obtain(desk, row, client, order, kind, pace)
    except Refused as refused:
        _failed(desk, row, names, authority, refused.problem, fingerprint)
        return refused.problem
    accounts.note(authority, None, desk.now)
    keep(desk, row, pair)
    return None


def begin(desk: Desk, row: CertificateRow, names: Sequence[str], fingerprint: str) -> Problem | None:
    """Order, or take up what was ordered before; returns what went wrong, which is then the certificate's state."""
    authority: AuthorityRow | None = None
    try:
        authority, client = open_account(desk.accounts)
        take_up(desk, authority, client, row, names)
    except Refused as refused:
        _failed(desk, row, names, authority, refused.problem, fingerprint)
        return refused.problem
    return None


def begin_dns(desk: Desk, row: CertificateRow, names: Sequence[str], fingerprint: str) -> Problem | list[str]:
    """As ``begin``; returns the TXT values that the CA will ask for, or what went wrong."""
    authority: AuthorityRow | None = None
    try:
        authority, client = open_account(desk.accounts)
        return proving.answers(client, take_up(desk, authority, client, row, names))
    except Refused as refused:
        _failed(desk, row, names, authority, refused.problem, fingerprint)
        return refused.problem


def keep(desk: Desk, row: CertificateRow, pair: Pair) -> None:
    """Store a certificate first, and say that it waits to be deployed."""
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    change = machine.issued(certificates.view(row), read.of(certificate), desk.now)

    def work() -> None:
        material.put(desk.accounts.storage_key, row.id, AUTO, pair)
        material.remove(row.id, PENDING)
        certificates.write(
            row,
            change,
            renewal_id=read.renewal_id(certificate),
            order_url="",
            taken=None,
            operation_id=None,
            error=None,
        )

    transaction(work)


def _failed(
    desk: Desk,
    row: CertificateRow,
    names: Sequence[str],
    authority: AuthorityRow | None,
    problem: Problem,
    fingerprint: str,
) -> None:
    if authority is not None:
        _spread(desk, names, authority, problem)
    change = machine.failed(certificates.view(row), problem, fingerprint, certificates.policy(), desk.now)
    more: dict[str, Any] = {"error": f"{problem.kind}: {problem.detail}"[:2000]}
    is_dead = problem.trouble in (Trouble.VALIDATION, Trouble.PERMANENT)
    taken: Sequence[str] = row.taken or ()
    if is_dead:
        more |= {"order_url": "", "taken": None}

    def work() -> None:
        certificates.write(row, change, **more)
        if is_dead and authority is not None:
            buckets.give_back(authority.id, taken)

    transaction(work)


def _spread(desk: Desk, names: Sequence[str], authority: AuthorityRow, problem: Problem) -> None:
    """Tell the buckets and the CA's own row what was learnt."""
    accounts.note(authority, problem, desk.now)
    if problem.trouble is Trouble.VALIDATION:
        for name in [name for name in names if problem.detail.startswith(f"{name}:")] or names:
            buckets.spend(authority.id, f"{rules.FAILURES}:{name}", desk.now)
    if problem.trouble is Trouble.RATE_LIMITED and problem.until and problem.kind != "bucket":
        for key in _limited(desk, names, problem):
            buckets.exhausted(authority.id, key, problem.until)


def _limited(desk: Desk, names: Sequence[str], problem: Problem) -> list[str]:
    """Return the buckets that the CA has said are empty."""
    if problem.bucket == rules.DOMAIN:
        return sorted({f"{rules.DOMAIN}:{desk.registered_domain(name.removeprefix('*.'))}" for name in names})
    if problem.bucket == rules.SET:
        return [rules.set_key(names)]
    if problem.bucket == rules.FAILURES:
        return [f"{rules.FAILURES}:{name}" for name in names]
    return [rules.ORDERS]
