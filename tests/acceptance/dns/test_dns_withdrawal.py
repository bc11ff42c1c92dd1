"""A withdrawn zone: refused, complete, kept right by every step, and back exactly as it was."""

from __future__ import annotations

from typing import Any

import pytest

from lab import snapshot
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    BOTH,
    DEFAULTS,
    ONE,
    SERIAL,
    SERVICE,
    TWO,
    ZONE,
    answers,
    ask,
    asking,
    at_once,
    code,
    diffs,
    everything,
    gone,
    on_zone,
    records,
    root,
    rrset,
    serial,
    sql,
    tree,
    zone,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

NAMES = (ZONE, f"www.{ZONE}", f"any.wild.{ZONE}", f"nothing.{ZONE}")
RESTART = "systemctl restart pdns; until pdns_control rping; do sleep 0.1; done"


@pytest.fixture(scope="module", autouse=True)
def full(servers: Lab, steps: Steps) -> None:
    """Fill the zone; one record is disabled by hand and has a comment."""

    def fill(node: str) -> Outcome:
        result = records(steps, node, *DEFAULTS, rrset(f"off.{ZONE}", "A", "192.0.2.99"))
        sql(
            servers,
            node,
            "UPDATE records SET disabled = 1 WHERE name = 'off.shop.example'",
            "INSERT INTO comments (domain_id, name, type, modified_at, account, comment) "
            "SELECT id, 'off.shop.example', 'A', 1, 'x', 'not now' FROM domains WHERE name = 'shop.example'",
        )
        return result.outcome

    assert at_once(fill) == [Outcome.CHANGED] * 2


def codes(lab: Lab, node: str) -> set[str]:
    """Return how a node answers for names of the zone."""
    return {code(ask(lab, node, name, kind)) for name in NAMES for kind in ("A", "SOA", "TXT")}


def test_a_zone_is_withdrawn_and_comes_back_exactly_as_it_was(servers: Lab, steps: Steps) -> None:
    def there_and_back(node: str) -> list[Any]:
        before = tree(servers, node)
        check = on_zone(steps, node, "zone_withdrawn", check=True)
        same = snapshot.diff(before, tree(servers, node))
        off = [on_zone(steps, node, "zone_withdrawn").outcome for _ in range(2)]
        withdrawn, changed = codes(servers, node), snapshot.diff(before, tree(servers, node))
        root(servers, node, "bash", "-ec", RESTART)
        restarted = codes(servers, node)
        checked = on_zone(steps, node, "zone_served", check=True)
        on = [on_zone(steps, node, "zone_served").outcome for _ in range(2)]
        assert diffs(check).count("disabled") == 1 and diffs(checked).count("disabled") == 1
        assert len(changed) == 3, changed  # the mark, and one row less and one more
        left = snapshot.diff(before, tree(servers, node))
        return [check.outcome, same, *off, withdrawn, restarted, checked.outcome, *on, left]

    ok = [Outcome.CHANGED, Outcome.OK]
    expected = [Outcome.CHANGED, [], *ok, {"REFUSED"}, {"REFUSED"}, Outcome.CHANGED, *ok, []]
    assert at_once(there_and_back) == [expected] * 2
    for node in BOTH:
        assert answers(servers, node, f"any.wild.{ZONE}", "A") == ["300 192.0.2.12"]
        assert code(ask(servers, node, f"off.{ZONE}", "A")) == "NXDOMAIN"


def test_every_step_brings_its_content_and_keeps_the_zone_withdrawn(servers: Lab, steps: Steps) -> None:
    number = SERIAL + 5

    def work(node: str) -> list[Any]:
        done = [on_zone(steps, node, "zone_withdrawn").outcome]
        sql(servers, node, "UPDATE records SET ttl = 61 WHERE name = 'shop.example' AND type = 'NS'")
        with asking(servers, node, NAMES):
            done += [
                records(steps, node, rrset(f"new.{ZONE}", "A", "192.0.2.5"), serial=number).outcome,
                gone(steps, node, (f"blog.{ZONE}", "CNAME"), serial=number).outcome,
                zone(steps, node, ZONE, SERVICE, number).outcome,
            ]
            found = codes(servers, node)
        again = [
            records(steps, node, rrset(f"new.{ZONE}", "A", "192.0.2.5"), serial=number).outcome,
            gone(steps, node, (f"blog.{ZONE}", "CNAME"), serial=number).outcome,
            zone(steps, node, ZONE, SERVICE, number).outcome,
        ]
        served = on_zone(steps, node, "zone_served").outcome
        return [done, found, again, served, answers(servers, node, f"new.{ZONE}", "A"), serial(servers, node, ZONE)]

    expected = [[Outcome.CHANGED] * 4, {"REFUSED"}, [Outcome.OK] * 3, Outcome.CHANGED, ["300 192.0.2.5"], number]
    assert at_once(work) == [expected] * 2
    for node in BOTH:
        assert code(ask(servers, node, f"blog.{ZONE}", "A")) == "NXDOMAIN"
        assert len(answers(servers, node, ZONE, "NS")) == 2
    assert everything(servers, ONE, ZONE) == everything(servers, TWO, ZONE)


def test_a_zone_withdrawn_before_it_is_there_is_made_without_being_served(servers: Lab, steps: Steps) -> None:
    name, service = "later.example.", 1555
    record = rrset(f"www.{name}", "A", "192.0.2.6")

    def live(node: str, *, withdrawn: bool) -> list[Outcome]:
        marks = [on_zone(steps, node, "zone_withdrawn", name, service).outcome for _ in range(2)] if withdrawn else []
        with asking(servers, node, [f"www.{name}"]):
            made = [zone(steps, node, name, service), records(steps, node, record, zone=name, service=service)]
            assert code(ask(servers, node, f"www.{name}", "A")) == ("REFUSED" if withdrawn else "NOERROR")
        again = [zone(steps, node, name, service), records(steps, node, record, zone=name, service=service)]
        served = on_zone(steps, node, "zone_served", name, service).outcome
        return [*marks, *(one.outcome for one in (*made, *again)), served]

    changed, ok = Outcome.CHANGED, Outcome.OK
    empty = tree(servers, ONE)
    assert live(ONE, withdrawn=False) == [changed, changed, ok, ok, ok]
    clean = tree(servers, ONE)
    assert on_zone(steps, ONE, "zone_absent", name, service).outcome is changed
    assert live(ONE, withdrawn=True) == [changed, ok, changed, changed, ok, ok, changed]
    assert snapshot.diff(clean, tree(servers, ONE)) == []
    assert answers(servers, ONE, f"www.{name}", "A") == ["300 192.0.2.6"]
    assert on_zone(steps, ONE, "zone_absent", name, service).outcome is changed
    assert on_zone(steps, ONE, "zone_withdrawn", name, service).outcome is changed
    assert on_zone(steps, ONE, "zone_absent", name, service).outcome is changed  # the mark alone
    assert snapshot.diff(empty, tree(servers, ONE)) == []


def test_whatever_was_cut_off_is_completed_by_the_next_step(servers: Lab, steps: Steps) -> None:
    """The mark without the flag, the flag without the mark, and a zone that was only begun."""
    disable = "UPDATE records SET disabled = %d WHERE name = 'shop.example' AND type = 'SOA'"
    before = tree(servers, ONE)
    assert on_zone(steps, ONE, "zone_withdrawn").outcome is Outcome.CHANGED
    for heal in (
        lambda: on_zone(steps, ONE, "zone_withdrawn"),
        lambda: zone(steps, ONE, ZONE, SERVICE),
        lambda: records(steps, ONE, rrset(f"new.{ZONE}", "A", "192.0.2.5")),
    ):
        sql(servers, ONE, disable % 0)
        assert codes(servers, ONE) != {"REFUSED"}
        assert (heal().outcome, codes(servers, ONE)) == (Outcome.CHANGED, {"REFUSED"})
    root(servers, ONE, "rm", "/var/lib/tenantry/dns/withdrawn/shop.example")
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(servers, ONE)) == []
    assert on_zone(steps, ONE, "zone_withdrawn", "begun.example.", 1556).outcome is Outcome.CHANGED
    sql(servers, ONE, "INSERT INTO domains (name, type, account) VALUES ('begun.example', 'SLAVE', 's1556')")
    assert zone(steps, ONE, "begun.example.", 1556).outcome is Outcome.CHANGED
    assert zone(steps, ONE, "begun.example.", 1556).outcome is Outcome.OK
    assert code(ask(servers, ONE, "begun.example.", "SOA")) == "REFUSED"
    assert on_zone(steps, ONE, "zone_served", "begun.example.", 1556).outcome is Outcome.CHANGED
    assert len(answers(servers, ONE, "begun.example.", "NS")) == 2
    assert on_zone(steps, ONE, "zone_absent", "begun.example.", 1556).outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(servers, ONE)) == []


def test_a_zone_of_somebody_else_is_left_alone(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    for action in ("zone_withdrawn", "zone_served"):
        result = on_zone(steps, ONE, action, ZONE, 2002)
        assert result.outcome is Outcome.OK
        assert any("left alone: zone shop.example. belongs to s1001" in one for one in result.warnings)
    assert snapshot.diff(before, tree(servers, ONE)) == []


def test_where_the_zone_above_is_on_the_same_server_that_one_answers(servers: Lab, steps: Steps) -> None:
    child = f"below.{ZONE}"
    assert zone(steps, ONE, child, SERVICE).outcome is Outcome.CHANGED
    assert on_zone(steps, ONE, "zone_withdrawn", child).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, child, "SOA")) == "NXDOMAIN"
    assert on_zone(steps, ONE, "zone_served", child).outcome is Outcome.CHANGED
    assert len(answers(servers, ONE, child, "SOA")) == 1
    assert on_zone(steps, ONE, "zone_absent", child).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, child, "SOA")) == "NXDOMAIN"


def test_an_engineer_withdraws_by_hand_what_the_service_gets_back(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    assert on_zone(steps, ONE, "zone_withdrawn", service=None).outcome is Outcome.CHANGED
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.OK
    assert codes(servers, ONE) == {"REFUSED"}
    assert on_zone(steps, ONE, "zone_served").outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(servers, ONE)) == []
