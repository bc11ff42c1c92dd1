"""The installation's account at the CA."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.certs import accounts
from orchestrator.certs.accounts import Accounts, open_account
from orchestrator.certs.acme_client import Directory
from orchestrator.certs.acme_network import Refused
from orchestrator.config import keys
from orchestrator.config.binding import Binding
from orchestrator.core.certificates import Trouble
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Unavailable
from orchestrator.models.base import database
from orchestrator.models.certificate import AuthorityRow
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import authorities
from tests.support import pebble as servers
from tests.support.acme_proxy import Fault, Proxy
from tests.support.pebble import Pebble

# What is said to the CA does not depend on the database; what is shared through it has tests of its own on both.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ours(db: str, home: Path, pebble: Pebble, proxy: Proxy) -> Accounts:
    """Return how accounts are opened through the proxy."""
    directory = Directory(url=proxy.directory, ca_file=pebble.ca_file)
    return Accounts(directory=directory, storage_key=keys.storage_key(home), clock=utc_now, contact="ops@provider.test")


def test_the_first_call_makes_it_and_every_other_finds_it(ours: Accounts, proxy: Proxy) -> None:
    row, client = open_account(ours)
    assert row.account_url == client.account_url != ""
    again, other = open_account(ours)
    assert (again.account_url, other.thumbprint) == (row.account_url, row.thumbprint)
    assert proxy.count("sign-me-up") == 1
    assert other.order(["a.test"]).status == "pending"


def test_the_key_is_encrypted_in_the_database(ours: Accounts) -> None:
    open_account(ours)
    stored = str(database.execute_sql("SELECT * FROM certificate_authorities").fetchall())
    assert "PRIVATE KEY" not in stored
    assert "storage_key" not in repr(ours)
    with pytest.raises(Unavailable, match="another key"):
        open_account(replace(ours, storage_key=bytes(32)))


def test_20_a_ca_that_wants_a_binding_says_how_and_is_content_with_one(ours: Accounts, tmp_path: Path) -> None:
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    settings = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": secret}}
    with servers.server(tmp_path, settings) as strict:
        wanted = replace(ours, directory=Directory(url=strict.directory, ca_file=strict.ca_file))
        with pytest.raises(Refused, match="TENANTRY_ACME_KEY_ID") as caught:
            open_account(wanted)
        assert caught.value.problem.trouble is Trouble.ACCOUNT
        bound = replace(wanted, binding=Binding(key_id="kid-1", hmac_key=secret))
        row, client = open_account(bound)
        assert row.account_url
        assert client.order(["a.test"]).status == "pending"
    assert secret not in repr(bound)


def test_an_account_that_was_made_but_not_written_down_is_found_by_its_key(ours: Accounts, proxy: Proxy) -> None:
    row, client = open_account(ours)
    AuthorityRow.update(account_url="").execute()
    again, _ = open_account(ours)
    assert again.account_url == client.account_url == row.account_url
    assert AuthorityRow.select().count() == 1


def test_18_an_account_that_the_ca_does_not_know_stops_everything(ours: Accounts, proxy: Proxy) -> None:
    row, client = open_account(ours)
    proxy.faults.append(Fault("order-plz", 400, "accountDoesNotExist", "gone"))
    with pytest.raises(Refused) as caught:
        client.order(["a.test"])
    accounts.note(row, caught.value.problem, utc_now())
    with pytest.raises(Refused, match="gone") as halted:
        open_account(ours)
    assert halted.value.problem.trouble is Trouble.ACCOUNT
    before = len(proxy.requests)
    for _ in range(10):
        with pytest.raises(Refused):
            open_account(ours)
    assert len(proxy.requests) == before
    assert proxy.count("sign-me-up") == 1
    assert authorities.resume(row.id)
    open_account(ours)


def test_an_account_that_is_refused_is_asked_for_once_a_day(ours: Accounts, proxy: Proxy) -> None:
    proxy.faults.append(Fault("sign-me-up", 400, "malformed", "no"))
    for _ in range(5):
        with pytest.raises(Refused):
            open_account(ours)
    asked = proxy.count("sign-me-up")
    assert asked == 5  # the first one to make it, the others only to look for it
    AuthorityRow.update(account_url="").execute()
    proxy.faults.clear()
    with pytest.raises(Refused) as caught:
        open_account(ours)
    assert caught.value.problem.until is not None


def test_five_answers_that_are_none_open_the_circuit(ours: Accounts) -> None:
    row, _ = open_account(ours)
    trouble = Problem(trouble=Trouble.TRANSIENT, kind="status 503", detail="busy")
    for _ in range(4):
        accounts.note(row, trouble, utc_now())
    open_account(ours)
    accounts.note(row, trouble, utc_now())
    with pytest.raises(Refused) as caught:
        open_account(ours)
    until = caught.value.problem.until
    assert until is not None
    assert until > utc_now() + timedelta(minutes=14)
    accounts.note(row, caught.value.problem, utc_now())  # a closed door is no failure of the CA
    assert AuthorityRow.get().failures == 5
    accounts.note(row, None, utc_now())
    open_account(ours)
