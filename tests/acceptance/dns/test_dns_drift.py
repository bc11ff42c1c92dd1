"""What somebody changed by hand: check mode names exactly that, and the next run mends exactly that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    DEFAULTS,
    ONE,
    SERVICE,
    ZONE,
    answers,
    diffs,
    records,
    sql,
    tree,
    zone,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

APEX, WWW = "name = 'shop.example'", "name = 'www.shop.example'"
Run = Callable[..., RunResult]
ZONE_STEP, RECORDS_STEP = "zone", "records"
# What a person may do, which step has to see it, and the object that it names.
DRIFT = (
    (f"DELETE FROM records WHERE {WWW}", RECORDS_STEP, "www.shop.example. A"),
    (f"DELETE FROM records WHERE {WWW} AND content = '192.0.2.11'", RECORDS_STEP, "www.shop.example. A"),
    (f"UPDATE records SET content = '203.0.113.66' WHERE {WWW}", RECORDS_STEP, "www.shop.example. A"),
    (f"UPDATE records SET ttl = 61 WHERE {WWW}", RECORDS_STEP, "www.shop.example. A"),
    (f"UPDATE records SET disabled = 1 WHERE {WWW}", RECORDS_STEP, "www.shop.example. A"),
    (f"UPDATE records SET disabled = 1 WHERE {APEX} AND type = 'CAA'", RECORDS_STEP, "shop.example. CAA"),
    ("DELETE FROM records WHERE type = 'CNAME'", RECORDS_STEP, "blog.shop.example. CNAME"),
    ("UPDATE records SET content = '\"v=spf1 +all\"' WHERE type = 'TXT'", RECORDS_STEP, "shop.example. TXT"),
    ("DELETE FROM records WHERE name LIKE '_imaps%'", RECORDS_STEP, "_imaps._tcp.shop.example. SRV"),
    (f"DELETE FROM records WHERE {APEX} AND type = 'SOA'", ZONE_STEP, "shop.example. SOA"),
    (f"UPDATE records SET disabled = 1 WHERE {APEX} AND type = 'SOA'", ZONE_STEP, "shop.example. SOA"),
    (f"UPDATE records SET ttl = 61 WHERE {APEX} AND type = 'SOA'", ZONE_STEP, "shop.example. SOA"),
    (f"DELETE FROM records WHERE {APEX} AND type = 'NS'", ZONE_STEP, "shop.example. NS"),
    (
        f"UPDATE records SET content = 'evil.test' WHERE {APEX} AND content = 'ns1.lab.test'",
        ZONE_STEP,
        "shop.example. NS",
    ),
    ("UPDATE domains SET type = 'MASTER'", ZONE_STEP, "zone shop.example."),
    ("UPDATE domains SET type = 'SLAVE'", ZONE_STEP, "zone shop.example."),
)


@pytest.fixture(scope="module")
def whole(servers: Lab, steps: Steps) -> snapshot.Tree:
    """Fill the zone and return what the server then holds."""
    assert records(steps, ONE, *DEFAULTS).outcome is Outcome.CHANGED
    return tree(servers, ONE)


@pytest.mark.parametrize(("damage", "step", "named"), DRIFT)
def test_drift_is_named_alone_and_mended_alone(
    servers: Lab, steps: Steps, whole: snapshot.Tree, damage: str, step: str, named: str
) -> None:
    run: dict[str, Run] = {
        ZONE_STEP: lambda **more: zone(steps, ONE, ZONE, SERVICE, **more),
        RECORDS_STEP: lambda **more: records(steps, ONE, *DEFAULTS, **more),
    }
    sql(servers, ONE, damage)
    damaged = tree(servers, ONE)
    check = run[step](check=True)
    assert check.outcome is Outcome.CHANGED
    assert headers(check) == [named], diffs(check)
    assert snapshot.diff(damaged, tree(servers, ONE)) == []
    assert [run[step]().outcome, run[step]().outcome] == [Outcome.CHANGED, Outcome.OK]
    assert snapshot.diff(whole, tree(servers, ONE)) == []


def headers(result: RunResult) -> list[str]:
    """Return what a run names as different."""
    return [
        line.removeprefix("+++ ").split("\t")[0].strip()
        for line in diffs(result).splitlines()
        if line.startswith("+++ ")
    ]


def test_the_zones_own_record_is_not_made_up_by_a_step_for_records(
    servers: Lab, steps: Steps, whole: snapshot.Tree
) -> None:
    sql(servers, ONE, f"DELETE FROM records WHERE {APEX} AND type = 'SOA'")
    refused = records(steps, ONE, *DEFAULTS, check=True)
    assert refused.reason == "config_broken" and "dns.zone_present" in refused.message
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.CHANGED
    assert snapshot.diff(whole, tree(servers, ONE)) == []


def test_an_owner_changed_by_hand_is_said_and_never_taken_back(
    servers: Lab, steps: Steps, whole: snapshot.Tree
) -> None:
    """The account is the only word on whose a zone is: a step that corrected it could take somebody else's zone."""
    for account in ("s2002", ""):
        sql(servers, ONE, f"UPDATE domains SET account = '{account}' WHERE {APEX}")
        given_away = tree(servers, ONE)
        for check in (True, False):
            for result in (zone(steps, ONE, ZONE, SERVICE, check=check), records(steps, ONE, *DEFAULTS, check=check)):
                assert (result.outcome, result.reason) == (Outcome.INVALID, "conflict")
                assert ZONE in result.message and (account or "nobody") in result.message
        assert snapshot.diff(given_away, tree(servers, ONE)) == []
    sql(servers, ONE, f"UPDATE domains SET account = 's1001' WHERE {APEX}")
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.OK
    assert answers(servers, ONE, f"www.{ZONE}", "A") == ["300 192.0.2.10", "300 192.0.2.11"]
    assert snapshot.diff(whole, tree(servers, ONE)) == []
