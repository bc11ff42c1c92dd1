"""Records and zones that go: these and nothing else, on both servers, and never somebody else's."""

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

OTHER = "other.example."
OTHERS_SERVICE = 2002


@pytest.fixture(scope="module", autouse=True)
def full(servers: Lab, steps: Steps) -> None:
    """Fill the zone, and set up another service's."""

    def fill(node: str) -> list[Outcome]:
        other = zone(steps, node, OTHER, OTHERS_SERVICE).outcome
        return [records(steps, node, *DEFAULTS).outcome, other]

    assert at_once(fill) == [[Outcome.CHANGED, Outcome.CHANGED]] * 2


def test_the_named_records_go_and_nothing_else(servers: Lab, steps: Steps) -> None:
    keys = ((f"www.{ZONE}", "A"), (f"blog.{ZONE}", "CNAME"), (ZONE, "TXT"))
    before = {node: everything(servers, node, ZONE) for node in BOTH}

    def remove(node: str) -> list[Any]:
        untouched = tree(servers, node)
        check = gone(steps, node, *keys, serial=SERIAL + 1, check=True)
        same = snapshot.diff(untouched, tree(servers, node))
        done = gone(steps, node, *keys, serial=SERIAL + 1)
        again = gone(steps, node, *keys, serial=SERIAL + 1)
        assert "-www.shop.example. 300 IN A 192.0.2.10" in diffs(check), diffs(check)
        return [check.outcome, same, done.outcome, again.outcome]

    assert at_once(remove) == [[Outcome.CHANGED, [], Outcome.CHANGED, Outcome.OK]] * 2
    assert everything(servers, ONE, ZONE) == everything(servers, TWO, ZONE)
    for node in BOTH:
        after = everything(servers, node, ZONE)
        lost = [line.split("\t")[0] + " " + line.split("\t")[3] for line in before[node] if line not in after]
        assert sorted(lost) == [
            "blog.shop.example CNAME",
            "shop.example SOA",
            "shop.example TXT",
            *["www.shop.example A"] * 2,
        ]
        assert [line for line in after if line not in before[node]] == [
            line.replace(str(SERIAL), str(SERIAL + 1)) for line in before[node] if "\tSOA\t" in line
        ]
        assert (code(ask(servers, node, f"www.{ZONE}", "A")), serial(servers, node, ZONE)) == ("NXDOMAIN", SERIAL + 1)


def test_what_is_missing_or_somebody_elses_is_no_failure(servers: Lab, steps: Steps) -> None:
    before = tree(servers, ONE)
    missing = [
        gone(steps, ONE, (f"never.{ZONE}", "A"), serial=SERIAL),
        gone(steps, ONE, ("www.none.example.", "A"), zone="none.example."),
        gone(steps, ONE),
    ]
    assert [(one.outcome, one.warnings) for one in missing] == [(Outcome.OK, ())] * 3
    foreign = gone(steps, ONE, (OTHER, "TXT"), zone=OTHER, serial=SERIAL + 9)
    assert foreign.outcome is Outcome.OK
    assert any("left alone: zone other.example. belongs to s2002" in one for one in foreign.warnings)
    for kind in ("SOA", "NS"):
        refused = gone(steps, ONE, (ZONE, kind))
        assert (refused.outcome, refused.reason) == (Outcome.INVALID, "invalid")
    assert snapshot.diff(before, tree(servers, ONE)) == []


def test_an_engineer_removes_a_record_by_hand(servers: Lab, steps: Steps) -> None:
    assert records(steps, ONE, rrset(f"byhand.{ZONE}", "A", "192.0.2.9")).outcome is Outcome.CHANGED
    assert gone(steps, ONE, (f"byhand.{ZONE}", "A"), service=None).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, f"byhand.{ZONE}", "A")) == "NXDOMAIN"


def test_a_zone_goes_with_everything_and_leaves_what_was_there_before(servers: Lab, steps: Steps) -> None:
    name, service = "brief.example.", 1777

    def life(node: str) -> list[Any]:
        before = tree(servers, node)
        made = [
            zone(steps, node, name, service),
            records(steps, node, rrset(f"www.{name}", "A", "192.0.2.1"), zone=name, service=service),
        ]
        number = "(SELECT id FROM domains WHERE name = 'brief.example')"
        sql(
            servers,
            node,
            f"INSERT INTO domainmetadata (domain_id, kind, content) VALUES ({number}, 'X-NOTE', 'a')",
            f"INSERT INTO cryptokeys (domain_id, flags, active, content) VALUES ({number}, 257, 1, 'key')",
            "INSERT INTO comments (domain_id, name, type, modified_at, account, comment) "
            f"VALUES ({number}, 'brief.example', 'NS', 1, 'x', 'by hand')",
        )
        made.append(on_zone(steps, node, "zone_withdrawn", name, service))
        full = tree(servers, node)
        check = on_zone(steps, node, "zone_absent", name, service, check=True)
        assert "-www.brief.example. 300 IN A 192.0.2.1" in diffs(check)
        same = snapshot.diff(full, tree(servers, node))
        removed = on_zone(steps, node, "zone_absent", name, service)
        refused = code(ask(servers, node, f"www.{name}", "A"))
        again = on_zone(steps, node, "zone_absent", name, service)
        left = snapshot.diff(before, tree(servers, node))
        return [[one.outcome for one in made], check.outcome, same, removed.outcome, refused, again.outcome, left]

    expected = [[Outcome.CHANGED] * 3, Outcome.CHANGED, [], Outcome.CHANGED, "REFUSED", Outcome.OK, []]
    assert at_once(life) == [expected] * 2


def test_a_zone_of_somebody_else_is_left_alone(servers: Lab, steps: Steps) -> None:
    """A removal may come long after a newer service took the name over."""
    root(servers, ONE, "pdnsutil", "create-zone", "hand.example", "ns1.lab.test")
    before = tree(servers, ONE)
    newer = on_zone(steps, ONE, "zone_absent", OTHER, SERVICE)
    hand = on_zone(steps, ONE, "zone_absent", "hand.example.", SERVICE)
    assert (newer.outcome, hand.outcome) == (Outcome.OK, Outcome.OK)
    assert any("left alone: zone other.example. belongs to s2002" in one for one in newer.warnings)
    assert any("made by hand" in one for one in hand.warnings)
    assert snapshot.diff(before, tree(servers, ONE)) == []
    assert on_zone(steps, ONE, "zone_absent", "hand.example.", None).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, "hand.example.", "SOA")) == "REFUSED"


def test_a_busy_zone_is_not_answered_any_more_once_it_is_gone(servers: Lab, steps: Steps) -> None:
    name, service = "busy.example.", 1778
    assert zone(steps, ONE, name, service).outcome is Outcome.CHANGED
    rrsets = [rrset(f"h{number}.{name}", "A", "192.0.2.1") for number in range(20)]
    assert records(steps, ONE, *rrsets, zone=name, service=service).outcome is Outcome.CHANGED
    names = [one["name"] for one in rrsets]
    with asking(servers, ONE, names):
        assert on_zone(steps, ONE, "zone_absent", name, service).outcome is Outcome.CHANGED
        assert {code(ask(servers, ONE, one, "A")) for one in names} == {"REFUSED"}
