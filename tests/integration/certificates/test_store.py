"""Certificates in the database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.config import keys
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.errors import LeaseLost
from orchestrator.models.base import database
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.plan.certificates import machine
from orchestrator.plan.certificates.view import Leaf, RenewalInfo
from orchestrator.store import authorities, certificates, fleet, material
from orchestrator.store.database import session, transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
LEASE = timedelta(minutes=15)
NAMES = {"web": ("shop.test", "www.shop.test"), "mail": ("mail.shop.test",)}
LEAF = Leaf(serial="1a", names=("shop.test",), not_before=NOW, not_after=NOW + timedelta(days=90))
PAIR = material.Pair(certificate="CERT", chain="CHAIN", private_key=b"the key itself", serial="1a")


def provide(service: int = 1001) -> CertificateRow:
    transaction(lambda: certificates.wanted({"service_id": service}, NAMES, NOW))
    return next(row for row in certificates.of_service(service) if row.role == "web")


def test_a_service_gets_one_for_each_role_and_asking_again_changes_nothing(db: str) -> None:
    provide()
    before = list(CertificateRow.select().dicts())
    provide()
    assert list(CertificateRow.select().dicts()) == before
    assert [(row["role"], row["state"], row["fast_left"]) for row in before] == [
        ("web", "fast", 10),
        ("mail", "fast", 10),
    ]


def test_the_knobs_shape_a_new_one(db: str) -> None:
    fleet.set_knob("ssl.fast_count", "0", "test")
    assert provide().state == "normal"


def test_other_names_are_told_and_a_role_that_is_gone_takes_its_key_along(db: str) -> None:
    row = provide()
    material.put(bytes(32), row.id, material.AUTO, PAIR)
    transaction(lambda: certificates.wanted({"service_id": 1001}, {"web": ("shop.test", "blog.test")}, NOW))
    [left] = certificates.of_service(1001)
    assert (left.id, left.names) == (row.id, ["shop.test", "blog.test"])
    transaction(lambda: certificates.wanted({"service_id": 1001}, {}, NOW))
    assert CertificateRow.select().count() == Material.select().count() == 0


def test_an_event_is_written_whole_and_read_back(db: str) -> None:
    row = provide()
    window = RenewalInfo(start=NOW, end=NOW + LEASE, selected=NOW + LEASE / 2, next_poll=NOW + LEASE)
    seen = certificates.view(row)
    change = machine.ordered(seen, NOW)
    certificates.write(row, change)
    row = certificates.get(row.id)
    change = machine.issued(certificates.view(row), LEAF, NOW)
    certificates.write(row, replace(change, values={**change.values, "renewal": window, "manual": (NOW,)}), error=None)
    found = certificates.view(certificates.get(row.id))
    assert (found.state, found.leaf, found.renewal, found.manual) == (State.DEPLOY, LEAF, window, (NOW,))
    assert found.before == "fast"


def test_what_somebody_else_has_changed_is_not_overwritten(db: str) -> None:
    row, same = provide(), provide()
    certificates.write(row, machine.deferred(NOW))
    with pytest.raises(LeaseLost):
        certificates.write(same, machine.deferred(NOW + LEASE))
    assert certificates.get(row.id).next_check_at == NOW


def test_only_what_is_due_and_free_is_claimed(db: str) -> None:
    provide()
    assert certificates.claim("one", LEASE, 10, NOW) == []
    later = NOW + timedelta(minutes=2)
    assert len(certificates.claim("one", LEASE, 1, later)) == 1
    assert len(certificates.claim("two", LEASE, 10, later)) == 1
    assert certificates.claim("two", LEASE, 10, later) == []
    assert len(certificates.claim("two", LEASE, 10, later + 2 * LEASE)) == 2


def test_a_customers_own_is_looked_at_for_its_end(db: str) -> None:
    provide()
    CertificateRow.update(state="custom").execute()
    assert len(certificates.claim("one", LEASE, 10, NOW + timedelta(days=1))) == 2


@pytest.mark.parametrize("state", ["off", "issuing"])
def test_what_waits_for_something_else_is_not_claimed(db: str, state: str) -> None:
    provide()
    CertificateRow.update(state=state).execute()
    assert certificates.claim("one", LEASE, 10, NOW + timedelta(days=400)) == []


def test_the_one_that_expires_first_comes_first(db: str) -> None:
    for service in (1, 2, 3):
        provide(service)
    CertificateRow.update(serial="2", not_after=NOW + timedelta(days=3)).where(CertificateRow.service_id == 2).execute()
    CertificateRow.update(serial="3", not_after=NOW + timedelta(days=1)).where(CertificateRow.service_id == 3).execute()
    found = certificates.claim("one", LEASE, 10, NOW + timedelta(hours=1))
    assert [row.service_id for row in found] == [3, 3, 2, 2, 1, 1]


def claimant(url: str, owner: str, due: datetime) -> subprocess.Popen[str]:
    """Start a process that claims what is due; it begins when it is told to."""
    command = [sys.executable, "-m", "tests.support.claimant", owner, due.isoformat()]
    environment = {"PATH": os.environ["PATH"], "TENANTRY_DATABASE_URL": url}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdin=pipe, stdout=pipe, text=True)


def test_42_of_a_thousand_each_is_claimed_by_one(db: str) -> None:
    """Three processes at once, until nothing is left."""

    def provide_all() -> None:
        for service in range(500):
            certificates.wanted({"service_id": service}, NAMES, NOW)

    transaction(provide_all)

    due = NOW + timedelta(hours=1)
    processes = [claimant(db, str(number), due) for number in range(3)]
    for process in processes:  # all are up before one begins
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    everything = [number for process in processes for number in json.loads(process.communicate(timeout=120)[0])]
    assert [process.returncode for process in processes] == [0, 0, 0]
    with session():  # who found all that it wanted taken by the others has stopped early
        while rows := certificates.claim("4", LEASE, 50, due):
            everything += [row.id for row in rows]
    assert len(everything) == len(set(everything)) == 1000


def test_a_key_is_encrypted_and_the_one_before_is_kept(db: str, home: Path) -> None:
    key, row = keys.storage_key(home), provide()
    material.put(key, row.id, material.AUTO, PAIR)
    material.put(key, row.id, material.AUTO, replace(PAIR, private_key=b"another", serial="2b"))
    assert material.get(key, row.id, material.AUTO) == replace(PAIR, private_key=b"another", serial="2b")
    assert material.get(key, row.id, material.PREVIOUS) == PAIR
    assert material.get(key, row.id, material.CUSTOM) is None
    stored = str(database.execute_sql("SELECT * FROM certificate_material").fetchall())
    assert "the key itself" not in stored
    assert "the key itself" not in repr(PAIR)
    assert material.remove(row.id, material.AUTO)
    assert not material.remove(row.id, material.AUTO)


def test_an_authority_that_refused_the_account_is_resumed_by_an_operator(db: str) -> None:
    first = authorities.add("https://ca.test/directory", "sealed", "t" * 43)
    authorities.add("https://other.test/directory", "sealed", "u" * 43)
    assert authorities.halt(first.id, "accountDoesNotExist")
    assert [row.halted for row in authorities.halted()] == ["accountDoesNotExist"]
    assert authorities.resume(first.id)
    assert authorities.halted() == []
    assert not authorities.resume(first.id)
