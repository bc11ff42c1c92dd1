"""What follows from a look at the names, and which limits of the CA the order that follows is exempt from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.certificates import Verdict
from orchestrator.plan.certificates import cadence, machine
from orchestrator.plan.certificates.view import Certificate

_BLIND = timedelta(hours=24)  # between orders that are tried although our own eyes are shut
_SAME_SET = timedelta(days=120)  # so long the CA remembers a set of names as one to be renewed
ARI, SET = "ari", "set"


class Next(StrEnum):
    """What to do with a certificate that was looked at."""

    MISS = "miss"  # look again later
    KEEP = "keep"  # what may be ordered is in use already
    ORDER = "order"


def after(
    certificate: Certificate,
    verdict: Verdict,
    fingerprint: str,
    ordered: Sequence[str],
    blind_at: datetime | None,
    now: datetime,
) -> Next:
    """Return what follows. ``ordered`` are the names to order; ``blind_at`` the last order made with our eyes shut."""
    is_blind = verdict is Verdict.UNKNOWN
    if verdict is Verdict.NO or (is_blind and blind_at is not None and now - blind_at < _BLIND):
        return Next.MISS
    if not machine.may_order(certificate, fingerprint, now):
        return Next.MISS
    return Next.KEEP if _has_them(certificate, ordered, now) else Next.ORDER


def _has_them(certificate: Certificate, ordered: Sequence[str], now: datetime) -> bool:
    """True when what may be ordered is what is served already, and that is not due: a name that misses is waited for."""
    leaf = certificate.leaf
    return (
        certificate.state is State.NORMAL
        and leaf is not None
        and set(leaf.names) == set(ordered)
        and machine.is_fresh(certificate, now)
    )


def exemption(certificate: Certificate, names: Sequence[str], replaces: bool, now: datetime) -> str:
    """Return "ari" for an order that says what it replaces, "set" for the names of a certificate of late, else nothing.

    Let's Encrypt: `replaces` inside the suggested window passes every limit (RFC 9773); the same names as a certificate of the
    last 120 days pass those of orders and of registered domains.
    """
    if replaces:
        return ARI
    leaf = certificate.leaf
    is_same = leaf is not None and now - leaf.not_before < _SAME_SET and set(leaf.names) == set(names)
    return SET if is_same else ""


def may_replace(certificate: Certificate, now: datetime) -> bool:
    """True when an order may say which certificate it replaces: only inside the window is it exempt."""
    return cadence.is_in_window(certificate.renewal, now)
