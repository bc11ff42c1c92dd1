"""Where a certificate stands, in plain words."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.certificates import CertificateState as State
from orchestrator.plan.certificates import cadence
from orchestrator.plan.certificates.view import Certificate

_NEXT = {
    State.OFF: "nothing: the service is suspended",
    State.FAST: "look at the DNS; just provisioned",
    State.NORMAL: "look at the DNS; no certificate for these names yet",
    State.ISSUING: "the authority is being asked",
    State.DEPLOY: "install it on the servers",
    State.CA_PAUSED: "nothing: the authority wants a person to look; then `tenantry ssl issue`",
    State.BLOCKED: "look at the DNS; the authority refuses these names until it changes",
    State.CUSTOM: "look at its end; the customer's own, never replaced",
    State.RENEWING: "look at the DNS, then renew",
}


def next_action(certificate: Certificate) -> str:
    """Return what happens next and why."""
    if certificate.state is State.ACTIVE and certificate.leaf is not None:
        return f"look again; renewal from {_day(cadence.due(certificate, certificate.leaf))}"
    if certificate.state is State.FROZEN:
        until = _day(certificate.frozen_until) if certificate.frozen_until else "now"
        return f"nothing ordered until {until} or another DNS: {certificate.failures} proofs failed"
    return _NEXT.get(certificate.state, "look again")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
