"""A certificate on our servers that is not ours: one that clients accept is left in peace until it is due.

So after a lost database, or a move to here with all that was served, nothing is ordered that nobody needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.certs import steps
from orchestrator.certs.office import Office
from orchestrator.certs.tls_probe import Protocol
from orchestrator.core.certificates import CertificateState as State
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import freeze
from orchestrator.plan.certificates.view import Leaf
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import certificates

_DAILY = timedelta(days=1)
_LEFT = 3  # of its lifetime: from the last third on it is replaced by ours


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Until when it is not even looked at again, and what a person is told."""

    until: datetime
    told: str


def kept(office: Office, row: CertificateRow, service: ServiceView) -> Kept | None:
    """Return what is to be left in peace; None when there is one of ours, when a person asks for one, or it is not good."""
    certificate, now = certificates.view(row), office.now
    if certificate.is_live or row.state not in (State.FAST, State.NORMAL) or freeze.is_by_hand(certificate, now):
        return None
    found: list[Leaf] = []
    for place in steps.places(service, row.role, certificate.names):
        if place.protocol is Protocol.TLS:
            leaf = office.accepted(place)
            if leaf is None or leaf.remaining(now) <= leaf.lifetime / _LEFT:
                return None
            found.append(leaf)
    if not found:
        return None
    first = min(found, key=lambda one: one.not_after)
    due = first.not_after - first.lifetime / _LEFT
    ends, ours = f"{first.not_after:%Y-%m-%d}", f"{due:%Y-%m-%d}"
    told = f"a certificate that is not ours is served and valid until {ends}; ours replaces it from {ours} on"
    return Kept(until=min(now + _DAILY, due), told=told)
