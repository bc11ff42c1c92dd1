"""Whole certificates, from a row to a pair in the store, against Let's Encrypt's test server."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from orchestrator.certs import issuing, ordering, proving
from orchestrator.certs.accounts import Accounts
from orchestrator.certs.acme_client import Authority, Directory
from orchestrator.certs.ordering import Desk
from orchestrator.certs.proving import Pace
from orchestrator.config import keys
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.certificates import Trouble
from orchestrator.core.clock import utc_now
from orchestrator.models.certificate import AuthorityRow, Bucket, CertificateRow
from orchestrator.plan.certificates import machine
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import authorities, certificates, material
from orchestrator.store.database import transaction
from tests.support.acme_proxy import Fault, Proxy
from tests.support.pebble import Pebble

# What is said to the CA does not depend on the database; what is shared through it has tests of its own on both.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NAMES = ("shop.test", "www.shop.test")
FAST = Pace(seconds=20, sleep=lambda _: time.sleep(0.05))


class Crash(Exception):
    """Stands for SIGKILL: nothing that comes after it happens."""


@pytest.fixture
def desk(db: str, home: Path, pebble: Pebble, proxy: Proxy) -> Desk:
    """Return a desk whose CA is behind the proxy."""
    directory = Directory(url=proxy.directory, ca_file=pebble.ca_file)
    opened = Accounts(directory=directory, storage_key=keys.storage_key(home), clock=utc_now)
    return Desk(accounts=opened, registered_domain=lambda name: ".".join(name.split(".")[-2:]))


@pytest.fixture
def wanted(desk: Desk, pebble: Pebble) -> CertificateRow:
    """Return a certificate that may be ordered, of an account whose challenges are answered."""
    transaction(lambda: certificates.wanted({"service_id": 1001}, {"web": NAMES}, utc_now()))
    [row] = certificates.of_service(1001)
    authority, _ = issuing.open_account(desk.accounts)
    pebble.web.thumbprint = authority.thumbprint
    return ordered(row)


def ordered(row: CertificateRow) -> CertificateRow:
    """Bring a certificate into the state of an order."""
    row = certificates.get(row.id)
    certificates.write(row, machine.ordered(certificates.view(row), utc_now()))
    return certificates.get(row.id)


def issue(desk: Desk, row: CertificateRow, pace: Pace = FAST) -> Problem | None:
    return issuing.issue(desk, row, tuple(row.names), "fingerprint", "http-01", pace)


def in_window(row: CertificateRow, proxy: Proxy) -> CertificateRow:
    """Let the CA suggest to renew a certificate now."""
    now = utc_now()
    window = {"window_start": now - timedelta(hours=1), "window_end": now + timedelta(hours=1), "renew_at": now}
    CertificateRow.update(state="active", poll_at=now, **window).where(CertificateRow.id == row.id).execute()
    active = certificates.get(row.id)
    certificates.write(
        active, machine.looked(certificates.view(active), certificates.policy(), now + timedelta(seconds=1))
    )
    return ordered(active)


def test_a_certificate_is_stored_before_anything_else(desk: Desk, wanted: CertificateRow) -> None:
    assert issue(desk, wanted) is None
    row = certificates.get(wanted.id)
    pair = material.get(desk.accounts.storage_key, row.id, material.AUTO)
    assert pair is not None
    leaf = x509.load_pem_x509_certificate(pair.certificate.encode())
    key = load_pem_private_key(pair.private_key, None)
    assert leaf.public_key() == key.public_key()
    assert (row.state, row.serial, row.order_url, row.error) == ("deploy", f"{leaf.serial_number:x}", "", None)
    assert set(row.issued_names) == set(NAMES)
    assert row.renewal_id
    assert material.get(desk.accounts.storage_key, row.id, material.PENDING) is None


POINTS: list[tuple[Any, str]] = [
    (ordering.certificates, "set_order"),  # the order is made, its address is not written down
    (Authority, "challenges"),
    (Authority, "answer"),
    (proving._Waiting, "until"),
    (Authority, "finalize"),
    (Authority, "download"),
    (issuing, "keep"),
]


@pytest.mark.parametrize(("where", "what"), POINTS, ids=[what for _, what in POINTS])
def test_10_killed_at_each_step_the_order_is_taken_up_again(
    desk: Desk, wanted: CertificateRow, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, where: Any, what: str
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(where, what, crash)
        with pytest.raises(Crash):
            issue(desk, wanted)
    before = proxy.count("order-plz")
    assert issue(desk, certificates.get(wanted.id)) is None
    assert proxy.count("order-plz") == (before if what != "set_order" else before + 1)
    assert certificates.get(wanted.id).state == "deploy"


def test_every_order_has_a_key_of_its_own(desk: Desk, wanted: CertificateRow, proxy: Proxy) -> None:
    """Number 57."""
    issue(desk, wanted)
    first = material.get(desk.accounts.storage_key, wanted.id, material.AUTO)
    assert issue(desk, in_window(wanted, proxy)) is None
    second = material.get(desk.accounts.storage_key, wanted.id, material.AUTO)
    assert first is not None
    assert second is not None
    assert first.private_key != second.private_key
    assert material.get(desk.accounts.storage_key, wanted.id, material.PREVIOUS) == first


def test_11_a_renewal_in_the_window_says_what_it_replaces_and_spends_nothing(
    desk: Desk, wanted: CertificateRow, proxy: Proxy
) -> None:
    issue(desk, wanted)
    before = {row.bucket: row.tat for row in Bucket.select()}
    renewal = in_window(wanted, proxy)
    assert issue(desk, renewal) is None
    assert proxy.replaced == [renewal.renewal_id]
    assert {row.bucket: row.tat for row in Bucket.select()} == before


@pytest.mark.parametrize(
    ("status", "kind"), [(409, "alreadyReplaced"), (403, "unauthorized"), (404, "malformed"), (400, "malformed")]
)
def test_14_15_a_replacement_that_is_refused_is_ordered_once_without(
    desk: Desk, wanted: CertificateRow, proxy: Proxy, status: int, kind: str
) -> None:
    issue(desk, wanted)
    renewal, before = in_window(wanted, proxy), proxy.count("order-plz")
    proxy.faults.append(Fault("order-plz", status, kind, "no", times=1))
    assert issue(desk, renewal) is None
    assert proxy.count("order-plz") - before == 2
    assert proxy.replaced == []


def test_06_a_limit_of_the_ca_is_one_request_and_is_remembered(
    desk: Desk, wanted: CertificateRow, proxy: Proxy
) -> None:
    proxy.faults.append(
        Fault("order-plz", 429, "rateLimited", "see #new-certificates-per-registered-domain", {"Retry-After": "3600"})
    )
    problem = issue(desk, wanted)
    assert problem is not None
    assert problem.trouble is Trouble.RATE_LIMITED
    row = certificates.get(wanted.id)
    assert (row.state, row.failures) == ("fast", 0)
    assert row.next_check_at >= utc_now() + timedelta(minutes=59)
    before = proxy.count("order-plz")
    again = issue(desk, ordered(row))
    assert again is not None
    assert again.kind == "bucket"
    assert proxy.count("order-plz") == before
    transaction(lambda: certificates.wanted({"service_id": 7}, {"web": ("else.test",)}, utc_now()))
    [other] = certificates.of_service(7)
    proxy.faults.clear()
    assert issue(desk, ordered(other)) is None


def test_09_a_limit_of_the_account_holds_everybody(desk: Desk, wanted: CertificateRow, proxy: Proxy) -> None:
    proxy.faults.append(
        Fault("order-plz", 429, "rateLimited", "#new-orders-per-account", {"Retry-After": "600"}, times=1)
    )
    issue(desk, wanted)
    transaction(lambda: certificates.wanted({"service_id": 7}, {"web": ("else.test",)}, utc_now()))
    [other] = certificates.of_service(7)
    problem = issue(desk, ordered(other))
    assert problem is not None
    assert problem.kind == "bucket"


def test_08_a_paused_name_waits_for_a_person(desk: Desk, wanted: CertificateRow, proxy: Proxy) -> None:
    proxy.faults.append(Fault("order-plz", 429, "rateLimited", "paused, see https://ca.test/unpause?jwt=x"))
    issue(desk, wanted)
    row = certificates.get(wanted.id)
    assert row.state == "ca_paused"
    assert "https://ca.test/unpause?jwt=x" in str(row.error)


def test_a_validation_that_fails_is_counted_and_closes_the_names_bucket(
    desk: Desk, wanted: CertificateRow, pebble: Pebble
) -> None:
    pebble.web.thumbprint = "somebody else"
    problem = issue(desk, wanted)
    assert problem is not None
    assert problem.trouble is Trouble.VALIDATION
    row = certificates.get(wanted.id)
    assert (row.state, row.failures, row.fingerprint, row.order_url) == ("normal", 1, "fingerprint", "")
    assert [one.bucket for one in Bucket.select() if one.bucket.startswith("failures:")] != []


def test_21_a_refusal_at_the_very_end_counts_as_a_validation(desk: Desk, wanted: CertificateRow, proxy: Proxy) -> None:
    proxy.faults.append(Fault("finalize-order", 403, "caa", "CAA record for shop.test prevents issuance"))
    problem = issue(desk, wanted)
    assert problem is not None
    assert problem.trouble is Trouble.VALIDATION
    assert "CAA record" in str(certificates.get(wanted.id).error)


@pytest.mark.parametrize("path", ["order-plz", "authZ", "chalZ", "finalize-order", "certZ", "my-order"])
@pytest.mark.parametrize("delivered", [False, True], ids=["lost", "answered into nowhere"])
def test_05_a_ca_that_fails_once_at_any_step_costs_nothing(
    desk: Desk, wanted: CertificateRow, proxy: Proxy, path: str, delivered: bool
) -> None:
    proxy.faults.append(Fault(path, 503, detail="Service busy", times=1, delivered=delivered))
    problem = issue(desk, wanted)
    row = certificates.get(wanted.id)
    if problem is not None:  # a request that was not needed may not have been sent
        assert problem.trouble is Trouble.TRANSIENT
        assert (row.state, row.failures) == ("fast", 0)
        assert row.next_check_at > utc_now()
        assert issue(desk, ordered(row)) is None
    assert certificates.get(wanted.id).state == "deploy"


def test_02_the_whole_is_bounded_in_time(desk: Desk, wanted: CertificateRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authority, "answer", lambda *_: None)  # so the order stays pending
    began = time.monotonic()
    problem = issue(desk, wanted, replace(FAST, seconds=2))
    assert problem is not None
    assert (problem.trouble, problem.kind) == (Trouble.TRANSIENT, "deadline")
    assert time.monotonic() - began < 10


def test_19_an_account_that_is_gone_halts_the_ca_and_is_not_made_anew(
    desk: Desk, wanted: CertificateRow, proxy: Proxy
) -> None:
    proxy.faults.append(Fault("order-plz", 400, "accountDoesNotExist", "no such account"))
    issue(desk, wanted)
    assert AuthorityRow.get().halted
    before = len(proxy.requests)
    problem = issue(desk, ordered(certificates.get(wanted.id)))
    assert problem is not None
    assert problem.trouble is Trouble.ACCOUNT
    assert len(proxy.requests) == before
    assert authorities.resume(AuthorityRow.get().id)
    proxy.faults.clear()
    assert issue(desk, ordered(certificates.get(wanted.id))) is None


def test_a_certificate_that_is_not_what_was_ordered_is_not_stored(
    desk: Desk, wanted: CertificateRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Authority, "download", lambda *_: "")
    problem = issue(desk, wanted)
    assert problem is not None
    assert problem.trouble is Trouble.TRANSIENT
    assert material.get(desk.accounts.storage_key, wanted.id, material.AUTO) is None
    assert certificates.get(wanted.id).state == str(State.FAST)
