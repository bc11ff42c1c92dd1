"""What follows from a look at the names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.certs import watch
from orchestrator.certs.watch import Eyes, Hands
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates.caa import Asking, Caa
from orchestrator.plan.certificates.precheck import Answers
from orchestrator.store import certificates
from orchestrator.store.database import transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OURS = frozenset({"192.0.2.1"})
NAMES = ("shop.test", "www.shop.test")


@dataclass
class World:
    """What the DNS says, what answers, and what was begun."""

    now: datetime = NOW + MINUTE
    addresses: dict[str, set[str]] = field(default_factory=lambda: {name: {"192.0.2.1"} for name in NAMES})
    caa: tuple[Caa, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)
    cdn: set[str] = field(default_factory=set)
    orders: list[tuple[datetime, tuple[str, ...]]] = field(default_factory=list)

    def answers(self, name: str) -> Answers:
        found = frozenset(self.addresses.get(name, ()))
        six = frozenset(one for one in found if ":" in one)
        return Answers(name=name, ipv4=found - six, ipv6=six, caa=self.caa, error=self.errors.get(name, ""))

    def begun(self, row: CertificateRow, names: Sequence[str], fingerprint: str) -> int:
        assert row.state != "issuing"
        assert fingerprint
        self.orders.append((self.now, tuple(names)))
        return 77

    def look(self) -> CertificateRow:
        """Let the certificate be looked at when it is due, and return it."""
        [row] = certificates.of_service(1001)
        self.now = max(self.now, row.next_check_at)
        eyes = Eyes(
            answers=self.answers,
            reaches=lambda _, address: address in OURS or address in self.cdn,
            asking=Asking(domains=frozenset({"ca.test"})),
        )
        seen = watch.look_at(certificates.view(row), certificates.misses(row), OURS, eyes, self.now)
        hands = Hands(issue=self.begun)
        transaction(lambda: watch.decide(row, seen, hands, self.now))
        return certificates.of_service(1001)[0]


@pytest.fixture
def world(db: str) -> World:
    """Return a world in which a certificate has just been provisioned."""
    transaction(lambda: certificates.wanted({"service_id": 1001}, {"web": NAMES}, NOW))
    return World()


def test_names_that_lead_here_are_ordered_at_the_first_look(world: World) -> None:
    row = world.look()
    assert (row.state, row.operation_id, row.verdict) == ("issuing", 77, "ok")
    assert world.orders == [(NOW + MINUTE, NAMES)]


def test_36_dns_that_appears_later_is_found_within_three_minutes_and_costs_one_order(world: World) -> None:
    right, world.addresses = world.addresses, {name: {"203.0.113.9"} for name in NAMES}
    while world.now < NOW + 7 * MINUTE:
        row = world.look()
        assert row.state == "fast"
        assert "203.0.113.9" in str(row.error)
    world.addresses = right
    assert world.look().state == "issuing"
    assert len(world.orders) == 1
    assert world.now - (NOW + 7 * MINUTE) <= 3 * MINUTE


def test_33_a_name_elsewhere_is_never_ordered_however_long_it_takes(world: World) -> None:
    world.addresses = {name: {"192.0.2.1", "2001:db8::9"} for name in NAMES}
    looks = 0
    while world.now < NOW + 30 * DAY:
        assert world.look().state in ("fast", "normal")
        looks += 1
    assert world.orders == []
    assert looks < 100


def test_32_a_cdn_that_lets_the_request_through_is_ordered_at_once(world: World) -> None:
    world.addresses, world.cdn = {name: {"203.0.113.9"} for name in NAMES}, {"203.0.113.9"}
    assert world.look().verdict == "indirect"
    assert len(world.orders) == 1


def test_caa_of_another_ca_is_told_and_nothing_is_ordered(world: World) -> None:
    world.caa = (Caa(flags=0, tag="issue", value="other.test"),)
    row = world.look()
    assert "other.test" in str(row.error)
    assert world.orders == []


def test_34_while_our_own_resolver_is_away_there_is_one_blind_order_a_day(world: World) -> None:
    world.errors = dict.fromkeys(NAMES, "resolver")
    while world.now < NOW + 3 * DAY:
        row = world.look()
        if row.state == "issuing":
            CertificateRow.update(state="normal", next_check_at=world.now + MINUTE).execute()
    assert 3 <= len(world.orders) <= 4
    assert all(later - earlier >= DAY for (earlier, _), (later, _) in itertools.pairwise(world.orders))


def test_54_www_that_never_comes_is_left_out_after_three_looks_and_added_when_it_does(world: World) -> None:
    world.addresses["www.shop.test"] = {"203.0.113.9"}
    for _ in range(2):
        assert world.look().state == "fast"
    row = world.look()
    assert world.orders == [(world.now, ("shop.test",))]
    values = {"serial": "1a", "issued_names": ["shop.test"], "not_before": world.now, "not_after": world.now + 90 * DAY}
    CertificateRow.update(state="normal", next_check_at=world.now + MINUTE, **values).where(
        CertificateRow.id == row.id
    ).execute()
    assert world.look().state == "normal"
    assert len(world.orders) == 1
    world.addresses["www.shop.test"] = {"192.0.2.1"}
    assert world.look().state == "issuing"
    assert world.orders[-1][1] == NAMES
