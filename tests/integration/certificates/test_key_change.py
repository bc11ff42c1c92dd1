"""Another key for our account at the CA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path

import pytest

from orchestrator.certs import accounts as opening
from orchestrator.certs import key_change
from orchestrator.certs.acme_network import Refused
from orchestrator.certs.key_change import Wait
from orchestrator.core.certificates import CertificateState
from orchestrator.core.errors import Conflict, Unavailable
from orchestrator.engine import Engine
from orchestrator.models.certificate import AuthorityRow, CertificateRow
from orchestrator.models.fleet import Server
from orchestrator.store import authorities
from tests.integration.certificates.world import World
from tests.support import fleet
from tests.support.acme_proxy import Fault, Proxy
from tests.support.pebble import Pebble

_NOW = Wait(seconds=0)


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path) -> Iterator[World]:
    """Yield an installation with a service whose website has its certificate."""
    fleet.build()
    made = World(app, pebble, home)
    made.order(roles=["web"])
    made.until("active")
    yield made
    made.bench.worker.drain(5)


def is_refused(world: World, key: str) -> bool:
    """Say whether the CA refuses an order that is signed with a key of the database."""
    ours = world.office.accounts()
    try:
        opening.client(ours, opening.known(ours), key).order(["other.test"])
    except Refused as refused:
        return "JWS verification error" in refused.problem.detail
    return False


def stored(proxy: Proxy) -> dict[str, object]:
    """Return the row of the CA behind the proxy."""
    row = authorities.find(proxy.directory)
    assert row is not None
    return dict(row.__data__)


def test_17_the_old_key_is_refused_the_new_one_works_and_servers_answer_before_the_next_order(world: World) -> None:
    before, first = AuthorityRow.get(), world.row()
    after = key_change.replace(world.office.accounts(), _NOW)
    assert (after.account_url, after.next_key) == (before.account_url, None)
    assert after.thumbprint != before.thumbprint
    assert is_refused(world, before.account_key)
    assert not is_refused(world, after.account_key)
    asked = len(world.ran("web.challenge_present"))
    world.ask("certificate.renew")
    renewed = world.until("active", turns=12)
    assert renewed.serial != first.serial
    assert [one.job["params"]["thumbprint"] for one in world.ran("web.challenge_present")[asked:]] == [after.thumbprint]
    assert Server.get(Server.name == "web1").challenge == after.thumbprint


def test_an_order_that_is_under_way_is_waited_for_and_none_begins(world: World) -> None:
    CertificateRow.update(state=CertificateState.ISSUING).execute()
    before = AuthorityRow.get()
    with pytest.raises(Unavailable, match="1 orders have not ended in 0 s"):
        key_change.replace(world.office.accounts(), _NOW)
    assert (AuthorityRow.get().next_key, AuthorityRow.get().thumbprint) == (None, before.thumbprint)

    def ends(_: float) -> None:
        with pytest.raises(Refused, match="another key"):
            opening.open_account(world.office.accounts())
        CertificateRow.update(state=CertificateState.ACTIVE).execute()

    after = key_change.replace(world.office.accounts(), Wait(seconds=60, sleep=ends))
    assert after.thumbprint != before.thumbprint
    opening.open_account(world.office.accounts())


def test_killed_after_the_ca_was_told_it_is_brought_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = AuthorityRow.get()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(authorities, "replaced", killed)
        key_change.replace(world.office.accounts(), _NOW)
    written = AuthorityRow.get()
    assert (written.account_key, written.thumbprint) == (before.account_key, before.thumbprint)
    assert is_refused(world, before.account_key)
    with pytest.raises(Refused, match="authority replace-key"):
        opening.open_account(world.office.accounts())
    after = key_change.replace(world.office.accounts(), _NOW)
    assert (after.account_key, after.account_url) == (written.next_key, before.account_url)
    assert not is_refused(world, after.account_key)


def test_a_ca_that_refuses_keeps_the_old_key_and_one_that_is_busy_is_asked_again(world: World, proxy: Proxy) -> None:
    ours = world.office.accounts()
    ours = changed(ours, directory=changed(ours.directory, url=proxy.directory))
    opening.open_account(ours)
    before = stored(proxy)
    proxy.faults.append(Fault("rollover", 403, "unauthorized", "no other key", times=1))
    with pytest.raises(Refused, match="no other key"):
        key_change.replace(ours, _NOW)
    assert stored(proxy) == before
    opening.open_account(ours)
    proxy.faults.append(Fault("rollover", 503, "serverInternal", "busy", times=1))
    with pytest.raises(Unavailable, match=r"busy.*replace-key"):
        key_change.replace(ours, _NOW)
    after = key_change.replace(ours, _NOW)
    assert (after.account_url, after.thumbprint != before["thumbprint"]) == (before["account_url"], True)


def test_without_an_account_there_is_nothing_to_replace(app: Engine, pebble: Pebble, home: Path) -> None:
    fleet.build()
    with pytest.raises(Conflict, match="the first order makes one"):
        key_change.replace(World(app, pebble, home).office.accounts(), _NOW)
