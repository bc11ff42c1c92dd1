"""Which certificates are between their order and the servers that show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from orchestrator.core.certificates import CertificateState
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.service import Placement


def under_way() -> int:
    """Return how many certificates have an order under way."""
    return int(CertificateRow.select().where(CertificateRow.state == CertificateState.ISSUING).count())


def on_the_way(role: str, servers: Sequence[int], now: datetime) -> tuple[int, str]:
    """Return how many certificates of the busiest of these servers are ordered or not yet installed, and what keeps one of them.

    One that could not be installed for a day is no longer counted: it says nothing about its server.
    """
    ordered = CertificateRow.state == CertificateState.ISSUING
    issued = (CertificateRow.state == CertificateState.DEPLOY) & (CertificateRow.not_before > now - timedelta(days=1))
    same = (Placement.service_id == CertificateRow.service_id) & (Placement.role == CertificateRow.role)
    here = (CertificateRow.role == role) & (Placement.server_id << servers) & CertificateRow.shared_id.is_null()
    query = CertificateRow.select(Placement.server_id, CertificateRow.error).join(Placement, on=same)
    found = list(query.where(here & (ordered | issued)).tuples())
    busiest = max(Counter(server for server, _ in found).values(), default=0)
    return busiest, next((error for _, error in found if error), "")
