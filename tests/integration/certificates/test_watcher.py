"""What one pass of the watcher takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.certs import looks
from orchestrator.certs.office import Office
from orchestrator.certs.watcher import Watcher
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import machine
from orchestrator.store import certificates
from orchestrator.store.database import transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = {"web": ("shop.test",), "mail": ("mail.shop.test",)}


def provide(service: int) -> None:
    transaction(lambda: certificates.wanted({"service_id": service}, NAMES, NOW))


def test_a_pass_takes_more_than_are_looked_at_at_once_and_each_once(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in range(1001, 1026):
        provide(service)
    seen: list[int] = []

    def look(office: Office, row: CertificateRow) -> None:
        seen.append(row.id)
        certificates.write(row, machine.deferred(office.now + HOUR))

    monkeypatch.setattr(looks, "look", look)
    watcher = Watcher(Office(storage_key=lambda: bytes(32), clock=lambda: NOW + HOUR), "one")
    for _ in range(2):
        watcher.poke()
        watcher.settle(60)
        assert sorted(seen) == sorted(row.id for row in CertificateRow.select(CertificateRow.id))
    assert len(seen) == 50
