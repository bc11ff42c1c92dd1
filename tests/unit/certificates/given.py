"""Certificates to begin with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.certificates import CertificateState
from orchestrator.plan.certificates.view import Certificate, Leaf, Policy

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
POLICY = Policy()
DAY = timedelta(days=1)


def leaf(lifetime: timedelta = 90 * DAY, not_before: datetime = NOW, names: tuple[str, ...] = ("shop.test",)) -> Leaf:
    return Leaf(serial="1a", names=names, not_before=not_before, not_after=not_before + lifetime)


def certificate(state: CertificateState = CertificateState.NORMAL, **values: Any) -> Certificate:
    given = {"id": 7, "names": ("shop.test",), "provisioned_at": NOW, "next_check_at": NOW, **values}
    return Certificate(state=state, **given)
