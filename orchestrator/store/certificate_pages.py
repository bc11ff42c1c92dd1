"""Pages of certificates: of one state by number; of all, those first that end first."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.certificates import CertificateState
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.service import DomainName
from orchestrator.store.pages import SIZE, counted

_KEY = re.compile(r"([0-9]{1,17})\.([0-9]{1,18})")  # microseconds since 1970 (0: no end), id


def page(state: str, text: str, after: str, size: int = SIZE) -> tuple[list[CertificateRow], str]:
    """Return certificates of services, and the key after which the next page begins; empty when there is none."""
    if text:
        rows = _of_service(text)
        return rows[:size], ""
    match = _KEY.fullmatch(after)
    moment, number = (int(match[1]), int(match[2])) if match else (0, 0)
    query = _of_state(state, number) if state else _by_end(moment, number, is_first=match is None)
    rows = list(query.limit(size + 1))
    return rows[:size], _key(rows[size - 1]) if len(rows) > size else ""


def _of_service(text: str) -> list[CertificateRow]:
    name = DomainName.get_or_none(DomainName.name == text.strip().lower()[:253])
    number = int(text[:18]) if text.isascii() and text.isdigit() else name.service_id if name else 0
    return list(CertificateRow.select().where(CertificateRow.service_id == number).order_by(CertificateRow.role))


def _of_state(state: str, number: int) -> Any:
    chosen = CertificateRow.select().where((CertificateRow.state == state) & (CertificateRow.id > number))
    return chosen.order_by(CertificateRow.id)


def _by_end(moment: int, number: int, is_first: bool) -> Any:
    """Return those with an end behind a key; what has none yet is found by its state."""
    query = CertificateRow.select().where(CertificateRow.not_after.is_null(False))
    if not is_first:
        end = datetime.fromtimestamp(moment / 10**6, UTC)
        same = (CertificateRow.not_after == end) & (CertificateRow.id > number)
        query = query.where((CertificateRow.not_after >= end) & ((CertificateRow.not_after > end) | same))
    return query.order_by(CertificateRow.not_after, CertificateRow.id)


def _key(row: CertificateRow) -> str:
    end = row.not_after
    return f"{round(end.timestamp() * 10**6) if end else 0}.{row.id}"


def counts() -> dict[str, int]:
    """Return how many certificates there are in each state, at most 1001 of each."""
    return {
        str(state): counted(CertificateRow.select(CertificateRow.id).where(CertificateRow.state == state))
        for state in CertificateState
    }
