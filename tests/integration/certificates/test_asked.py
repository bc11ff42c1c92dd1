"""What people ask of certificates: by hand, the customer's own, and ours again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.certs import roots
from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.core.sealed import seal
from orchestrator.engine import Engine
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.models.task import Task
from orchestrator.plan.certificates.chain import Trust
from orchestrator.store import certificates
from tests.integration.certificates.world import MAIL, SERVICE, WEB, World
from tests.support import fleet
from tests.support.pebble import Pebble
from tests.unit.certificates import ca

NAMES = ("shop.test", "www.shop.test")
ROOT = ca.Authority("root")
ISSUER = ca.Authority("issuer", ROOT)


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield an installation with a live service, that trusts a CA of the tests' own."""
    monkeypatch.setattr(roots, "of_system", lambda: Trust(roots=(ROOT.certificate,)))
    fleet.build()
    made = World(app, pebble, home)
    made.order()
    yield made
    made.bench.worker.drain(5)


def own(world: World, names: tuple[str, ...] = NAMES, days: float = 90, **more: Any) -> dict[str, Any]:
    """Return the parameters of an upload of a fresh certificate."""
    now = utc_now()
    leaf, key = ca_leaf(names, now, timedelta(days=days))
    public = keys.load_private_key(world.home).public_key()
    sealed = seal(public, ca.key_pem(key).decode())
    pems = {"certificate": ca.pem(leaf), "chain": ca.pem(ISSUER.certificate)}
    return {"role": "web", "private_key_sealed": sealed, **pems, **more}


def ca_leaf(names: tuple[str, ...], now: Any, lifetime: timedelta) -> tuple[Any, Any]:
    key = ca.rsa.generate_private_key(public_exponent=65537, key_size=3072)  # longer than one sealed block
    since = now - timedelta(hours=1)
    return ISSUER.issue(names, key=key, since=since, lifetime=lifetime + timedelta(hours=1))


def test_40_asked_ten_times_there_is_one_order_by_hand(world: World) -> None:
    first = world.ask("certificate.issue", role="web")
    assert (first.status, first.result) == ("done", {"web": "is looked at now"})
    for _ in range(9):
        again = world.ask("certificate.issue", role="web")
        assert again.status == "error"
        assert "too often" in str(again.error)
    world.until("active")
    orders = [json.loads(one.params) for one in Task.select().where(Task.action == "certificate.order")]
    assert [one["certificate"] for one in orders].count(world.row().id) == 1


def test_issue_passes_a_freeze_and_leaves_a_fresh_certificate_alone(world: World) -> None:
    later = utc_now() + timedelta(hours=20)
    CertificateRow.update(state="frozen", frozen_until=later, failures=5, next_check_at=later).execute()
    assert world.ask("certificate.issue").status == "done"
    world.until("active")
    world.until("active", "mail")
    again = world.ask("certificate.issue", role="mail")
    assert "not due" in again.result["mail"]


def test_renew_replaces_a_certificate_that_is_not_due(world: World) -> None:
    refused = world.ask("certificate.renew", role="web")
    assert "ask for certificate.issue" in str(refused.error)
    first = world.until("active").serial
    assert world.ask("certificate.renew", role="web").status == "done"
    world.turn()
    assert world.until("active").serial != first
    assert world.shown[WEB, "web"] == world.row().serial


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"role": "dns"}, "role: "),
        ({"role": None}, "role: is missing"),
        ({"certificate": "hello"}, "certificate: is no PEM certificate"),
        ({"certificate": 7}, "certificate: is no text"),
        ({"private_key_sealed": "AAAA"}, "private_key_sealed: was not sealed"),
        ({"private_key_sealed": ".".join(["AAAA"] * 65)}, "private_key_sealed: is not a sealed secret"),
        ({"chain": ""}, "chain: does not lead to a CA"),
        ({"colour": "red"}, "params.colour: is not known"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_50_an_upload_that_cannot_be_served_is_refused(world: World, change: dict[str, Any], says: str) -> None:
    refused = world.ask("certificate.upload", **own(world, **change))
    assert refused.status == "error"
    assert says in str(refused.error)
    assert world.row().state == "fast"
    assert Material.select().count() == 0


def test_50_names_that_are_not_covered_and_another_key_are_told(world: World) -> None:
    short = world.ask("certificate.upload", **own(world, names=("shop.test",)))
    assert "does not cover www.shop.test" in str(short.error)
    other = own(world) | {"private_key_sealed": own(world)["private_key_sealed"]}
    assert "does not belong to the certificate" in str(world.ask("certificate.upload", **other).error)


def test_51_53_the_customers_own_is_served_never_replaced_and_given_back(world: World) -> None:
    ours = world.until("active").serial
    before = world.orders()
    done = world.ask("certificate.upload", **own(world))
    assert done.status == "done", done.error
    row, theirs = world.row(), done.result["serial"]
    assert (row.state, world.shown[WEB, "web"]) == ("custom", theirs)
    for _ in range(3):
        world.turn()
    assert world.orders() == before
    world.shown[WEB, "web"] = "lost"
    world.turn()
    assert world.shown[WEB, "web"] == theirs
    assert "remove_custom first" in str(world.ask("certificate.issue", role="web").error)
    back = world.ask("certificate.remove_custom", role="web")
    assert back.result["follows"] == "the stored certificate of ours"
    assert world.until("active").serial == ours
    assert (world.shown[WEB, "web"], world.orders()) == (ours, before)


def test_51_uploaded_while_an_order_is_under_way_the_customers_own_wins(world: World) -> None:
    for _ in range(2):
        CertificateRow.update(next_check_at=utc_now()).execute()
        world.watcher.poke()
        world.watcher.settle(20)
        if world.row().state == "issuing":
            break
        world.bench.settle()
    assert world.row().state == "issuing"
    done = world.ask("certificate.upload", **own(world))
    assert done.status == "done", done.error
    for _ in range(2):
        world.turn()
    assert (world.row().state, world.shown[WEB, "web"]) == ("custom", done.result["serial"])


def test_53_without_one_of_ours_the_placeholder_is_shown_until_there_is(world: World) -> None:
    world.ask("certificate.upload", **own(world))
    done = world.ask("certificate.remove_custom", role="web")
    assert done.result["follows"] == "a new order"
    assert len(world.ran("web.certificate_absent")) == 1
    world.until("active")
    assert world.ask("certificate.remove_custom", role="mail").result["skipped"]


def test_52_each_threshold_is_told_once_and_again_after_another_upload(world: World) -> None:
    world.ask("certificate.upload", **own(world, days=40))
    row = world.row()
    ends = row.custom_not_after
    told = []
    for day in range(41):
        world.office = world.watcher._office = dataclasses.replace(
            world.office, clock=lambda day=day: utc_now() + timedelta(days=day, hours=1)
        )
        for _ in range(2):  # also after a restart
            world.turn()
        told = [one["within_days"] for one in world.told("certificate_custom_expires")]
    assert told == [30, 14, 7, 3, 1, 0]
    world.office = world.watcher._office = dataclasses.replace(world.office, clock=utc_now)
    world.ask("certificate.upload", **own(world, days=5))
    world.turn()
    assert [one["within_days"] for one in world.told("certificate_custom_expires")][6:] == [7]
    assert world.row().custom_not_after != ends


def test_mail_takes_a_certificate_of_the_customers_own_too(world: World) -> None:
    names = tuple(f"{one}.shop.test" for one in ("mail", "webmail", "autoconfig", "autodiscover"))
    done = world.ask("certificate.upload", **own(world, names=names, role="mail"))
    assert world.shown[MAIL, "mail"] == done.result["serial"]
    assert {row.role: row.state for row in certificates.of_service(SERVICE)} == {"mail": "custom", "web": "fast"}


def test_the_redirect_waits_for_a_certificate_and_follows_the_setting(world: World) -> None:
    early = world.ask("web.domain_present", domain="shop.test", https_redirect=True)
    assert (early.status, early.result) == ("done", {"steps": 0})
    world.until("active")
    assert [one.job["params"]["redirect"] for one in world.ran("web.certificate_present")] == [True]
    world.ask("web.domain_present", domain="shop.test", https_redirect=False)
    assert [one.job["params"]["redirect"] for one in world.ran("web.certificate_present")] == [True, False]
    world.ask("web.domain_present", domain="shop.test", https_redirect=True)
    CertificateRow.update(not_after=utc_now() - timedelta(days=1)).where(CertificateRow.role == "web").execute()
    world.ask("web.domain_present", domain="shop.test", https_redirect=True)
    assert [one.job["params"]["redirect"] for one in world.ran("web.certificate_present")] == [True, False, True, False]
    other = world.ask("web.domain_present", domain="more.test", https_redirect=True)
    assert "https_redirect: holds for the whole site" in str(other.error)
