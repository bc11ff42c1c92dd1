"""One name each in a provider's zone: a service has its own addresses there and can touch nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from lab import snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    BOTH,
    DEFAULTS,
    ONE,
    SERIAL,
    SERVICE,
    ZONE,
    answers,
    ask,
    at_once,
    code,
    gone,
    on_zone,
    records,
    rrset,
    serial,
    sql,
    tree,
    zone,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

PROVIDER = f"s{SERVICE}"
ANNA, BOB = 3001, 3002
SOA = "type='SOA'"


@pytest.fixture(scope="module", autouse=True)
def full(servers: Lab, steps: Steps) -> None:
    """Fill the provider's zone, and give Bob his name in it."""

    def fill(node: str) -> list[Outcome]:
        return [records(steps, node, *DEFAULTS).outcome, put(steps, node, BOB, "bob").outcome]

    assert at_once(fill) == [[Outcome.CHANGED, Outcome.CHANGED]] * 2


def put(steps: Steps, node: str, service: int, name: str, **more: Any) -> RunResult:
    """Give a service its address record in the provider's zone."""
    record = rrset(f"{name}.{ZONE}", more.pop("kind", "A"), more.pop("record", "192.0.2.77"))
    return records(
        steps, node, record, service=service, **{"shared_owner": PROVIDER, "action": "dns.record_present", **more}
    )


def take(steps: Steps, node: str, service: int | None, *names: str, **more: Any) -> RunResult:
    """Take a service's records away."""
    keys = [(f"{name}.{ZONE}", kind) for name in names for kind in ("A", "AAAA")]
    return gone(steps, node, *keys, service=service, **{"shared_owner": PROVIDER, **more})


def changed_rows(before: snapshot.Tree, after: snapshot.Tree) -> list[str]:
    """Return the rows that came or went, less the SOA record."""
    return [line for line in snapshot.diff(before, after) if SOA not in line]


def test_a_service_gets_its_name_and_leaves_no_trace_but_the_serial(servers: Lab, steps: Steps) -> None:
    def life(node: str) -> list[Any]:
        before, number = tree(servers, node), SERIAL + 1
        check = put(steps, node, ANNA, "anna", serial=number, check=True)
        same = snapshot.diff(before, tree(servers, node))
        made = [put(steps, node, ANNA, "anna", serial=number).outcome for _ in range(2)]
        six = put(steps, node, ANNA, "anna", kind="AAAA", record="2001:db8::7", serial=number + 1).outcome
        moved = put(steps, node, ANNA, "anna", record="192.0.2.78", serial=number + 2).outcome
        found = answers(servers, node, f"anna.{ZONE}", "A") + answers(servers, node, f"anna.{ZONE}", "AAAA")
        rows = changed_rows(before, tree(servers, node))
        assert len(rows) == 4 and all("anna.shop.example" in row for row in rows), rows  # two records, two comments
        went = [take(steps, node, ANNA, "anna", serial=number + 3).outcome for _ in range(2)]
        left = changed_rows(before, tree(servers, node))
        return [check.outcome, same, made, six, moved, found, went, left, serial(servers, node, ZONE)]

    changed = Outcome.CHANGED
    found = ["300 192.0.2.78", "300 2001:db8::7"]
    expected = [changed, [], [changed, Outcome.OK], changed, changed, found, [changed, Outcome.OK], [], SERIAL + 4]
    assert at_once(life) == [expected] * 2


def test_a_service_reaches_nothing_but_one_name_of_its_own(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    record = {"service": ANNA, "shared_owner": PROVIDER, "action": "dns.record_present"}
    invalid = [
        records(steps, ONE, rrset(ZONE, "A", "203.0.113.1"), **record),
        records(steps, ONE, rrset(f"*.{ZONE}", "A", "203.0.113.1"), **record),
        records(steps, ONE, rrset(f"deep.anna.{ZONE}", "A", "203.0.113.1"), **record),
        records(steps, ONE, rrset(f"_acme-challenge.{ZONE}", "A", "203.0.113.1"), **record),
        records(steps, ONE, rrset(f"anna.{ZONE}", "TXT", "text"), **record),
        records(steps, ONE, rrset(f"anna.{ZONE}", "CNAME", "evil.example."), **record),
        records(steps, ONE, rrset(f"anna.{ZONE}", "NS", "ns.evil.example."), **record),
        records(steps, ONE, rrset(f"anna.{ZONE}", "A", "192.0.2.1"), rrset(f"ann.{ZONE}", "A", "192.0.2.1"), **record),
        records(steps, ONE, rrset(f"anna.{ZONE}", "A", "192.0.2.1"), remove=((f"bob.{ZONE}", "A"),), **record),
        take(steps, ONE, ANNA, "anna", "bob"),
        put(steps, ONE, SERVICE, "anna"),
    ]
    assert [one.reason for one in invalid] == ["invalid"] * len(invalid)
    conflict = [
        put(steps, ONE, ANNA, "www"),
        put(steps, ONE, ANNA, "www", kind="AAAA", record="2001:db8::1"),
        put(steps, ONE, ANNA, "blog"),
        put(steps, ONE, ANNA, "child"),
        put(steps, ONE, ANNA, "bob"),
        put(steps, ONE, ANNA, "bob", kind="AAAA", record="2001:db8::1", check=True),
        put(steps, ONE, ANNA, "anna", shared_owner="s4040"),
    ]
    assert [(one.outcome, one.reason) for one in conflict] == [(Outcome.INVALID, "conflict")] * len(conflict)
    kept = [take(steps, ONE, ANNA, "bob", serial=SERIAL + 50), take(steps, ONE, ANNA, "www", serial=SERIAL + 50)]
    assert [one.outcome for one in kept] == [Outcome.OK] * 2
    assert any("left alone: bob.shop.example. A belongs to s3002" in one for one in kept[0].warnings)
    assert any("left alone: www.shop.example. A belongs to s1001" in one for one in kept[1].warnings)
    assert take(steps, ONE, ANNA, "anna", shared_owner="s4040").outcome is Outcome.OK
    assert snapshot.diff(before, tree(servers, ONE)) == []


def test_the_zones_own_steps_leave_such_names_alone(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    refused = [
        records(steps, ONE, *DEFAULTS, rrset(f"bob.{ZONE}", "A", "203.0.113.1")),
        records(steps, ONE, rrset(f"bob.{ZONE}", "TXT", "text")),
        records(steps, ONE, rrset(f"bob.{ZONE}", "CNAME", f"www.{ZONE}"), remove=((f"bob.{ZONE}", "A"),)),
        records(steps, ONE, remove=((f"bob.{ZONE}", "A"),)),
        on_zone(steps, ONE, "zone_absent"),
        on_zone(steps, ONE, "zone_withdrawn"),
        on_zone(steps, ONE, "zone_absent", check=True),
    ]
    assert [(one.outcome, one.reason) for one in refused] == [(Outcome.INVALID, "conflict")] * len(refused)
    left = gone(steps, ONE, (f"bob.{ZONE}", "A"), serial=SERIAL + 50)
    assert left.outcome is Outcome.OK
    assert any("belongs to s3002" in one for one in left.warnings)
    assert snapshot.diff(before, tree(servers, ONE)) == []
    assert records(steps, ONE, *DEFAULTS).outcome is Outcome.OK
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.OK


def test_drift_of_such_a_name_is_reported_and_repaired_alone(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    for damage in (
        "DELETE FROM records WHERE name = 'bob.shop.example'",
        "UPDATE records SET content = '203.0.113.5' WHERE name = 'bob.shop.example'",
        "UPDATE records SET disabled = 1 WHERE name = 'bob.shop.example'",
        "UPDATE records SET ttl = 61 WHERE name = 'bob.shop.example'",
    ):
        sql(servers, ONE, damage)
        check = put(steps, ONE, BOB, "bob", check=True)
        assert [event.diff.count("+++") for event in check.events if event.diff] == [1], (damage, check.events)
        assert [put(steps, ONE, BOB, "bob").outcome for _ in range(2)] == [Outcome.CHANGED, Outcome.OK], damage
        found = snapshot.diff(before, tree(servers, ONE))
        assert [line for line in found if "modified_at" not in line] == [], damage
    sql(servers, ONE, "DELETE FROM comments WHERE name = 'bob.shop.example'")
    assert put(steps, ONE, BOB, "bob").reason == "conflict"  # it may be the provider's by now
    assert answers(servers, ONE, f"bob.{ZONE}", "A") == ["300 192.0.2.77"]
    assert gone(steps, ONE, (f"bob.{ZONE}", "A")).outcome is Outcome.CHANGED
    assert put(steps, ONE, BOB, "bob").outcome is Outcome.CHANGED


def test_in_a_zone_that_was_withdrawn_meanwhile_the_name_is_kept_right(servers: Lab, steps: Steps) -> None:
    """The provider's zone can be withdrawn while no service has a name in it."""
    assert take(steps, ONE, BOB, "bob").outcome is Outcome.CHANGED
    assert on_zone(steps, ONE, "zone_withdrawn").outcome is Outcome.CHANGED
    assert put(steps, ONE, ANNA, "anna").outcome is Outcome.CHANGED
    assert put(steps, ONE, ANNA, "anna").outcome is Outcome.OK
    assert code(ask(servers, ONE, f"anna.{ZONE}", "A")) == "REFUSED"
    assert on_zone(steps, ONE, "zone_withdrawn").outcome is Outcome.OK
    assert on_zone(steps, ONE, "zone_served").outcome is Outcome.CHANGED
    assert answers(servers, ONE, f"anna.{ZONE}", "A") == ["300 192.0.2.77"]


def test_an_engineer_removes_it_by_hand(servers: Lab, steps: Steps) -> None:
    assert put(steps, ONE, ANNA, "anna").outcome.is_success
    assert gone(steps, ONE, (f"anna.{ZONE}", "A"), service=None).outcome is Outcome.CHANGED
    for node in BOTH:
        assert answers(servers, node, f"www.{ZONE}", "A") == ["300 192.0.2.10", "300 192.0.2.11"]
