"""Answers to a CA in the DNS, beside others, and gone without a trace. Numbers: docs/concepts/certificates.md."""

from __future__ import annotations

from typing import Any

import pytest

from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    BOTH,
    ONE,
    SERVICE,
    TWO,
    ZONE,
    answers,
    ask,
    code,
    diffs,
    everything,
    on_zone,
    records,
    root,
    rrset,
    serial,
    tree,
)
from tests.support.kills import killed_at
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

NAME = f"_acme-challenge.{ZONE}"
APEX, WILDCARD, FOREIGN = ("A" * 43, "b-_" * 14 + "9", "c" * 43)


def challenge(
    steps: Steps, node: str, action: str, *values: str, service: int | None = SERVICE, **more: Any
) -> RunResult:
    """Run dns.challenge_present or dns.challenge_absent."""
    check = more.pop("check", False)
    params = {"zone": ZONE, "name": NAME, "values": list(values), **more}
    return steps.run(node, f"dns.challenge_{action}", params, service=service, check=check)


def quoted(ttl: int, *values: str) -> list[str]:
    return sorted(f'{ttl} "{value}"' for value in values)


def test_23_24_values_come_and_go_on_each_server_beside_those_of_others(servers: Lab, steps: Steps) -> None:
    before = {node: (everything(servers, node, ZONE), tree(servers, node)) for node in BOTH}
    number = serial(servers, ONE, ZONE)
    rehearsed = challenge(steps, ONE, "present", APEX, check=True)
    assert rehearsed.outcome is Outcome.CHANGED and APEX in diffs(rehearsed)
    assert everything(servers, ONE, ZONE) == before[ONE][0]
    # 23: a server that has not been updated answers nothing, and its neighbour's step does not hide that.
    assert challenge(steps, ONE, "present", APEX).outcome is Outcome.CHANGED
    assert answers(servers, ONE, NAME, "TXT") == quoted(60, APEX)
    assert code(ask(servers, TWO, NAME, "TXT")) == "NXDOMAIN"
    # 24: the wildcard's value beside it, each gone without the other.
    for node, value in ((TWO, APEX), (ONE, WILDCARD), (TWO, WILDCARD)):
        assert challenge(steps, node, "present", value).outcome is Outcome.CHANGED
    for node in BOTH:
        assert answers(servers, node, NAME, "TXT") == quoted(60, APEX, WILDCARD)
        for check in (False, True):
            assert challenge(steps, node, "present", WILDCARD, APEX, check=check).outcome is Outcome.OK
        assert (serial(servers, node, ZONE), challenge(steps, node, "absent", APEX).outcome) == (
            number,
            Outcome.CHANGED,
        )
        assert answers(servers, node, NAME, "TXT") == quoted(60, WILDCARD)
        assert challenge(steps, node, "absent", APEX, WILDCARD).outcome is Outcome.CHANGED
        assert challenge(steps, node, "absent", APEX, WILDCARD).outcome is Outcome.OK
        assert (everything(servers, node, ZONE), tree(servers, node)) == before[node]


def test_24_a_value_of_somebody_else_keeps_its_text_and_its_ttl(servers: Lab, steps: Steps) -> None:
    texts = (FOREIGN, 'quo"te \\ ü', "x" * 300)
    assert records(steps, ONE, rrset(NAME, "TXT", *texts, ttl=300)).outcome is Outcome.CHANGED
    before = everything(servers, ONE, ZONE)
    assert challenge(steps, ONE, "present", APEX).outcome is Outcome.CHANGED
    assert len(answers(servers, ONE, NAME, "TXT")) == 4
    assert challenge(steps, ONE, "absent", WILDCARD).outcome is Outcome.OK
    assert challenge(steps, ONE, "absent", APEX).outcome is Outcome.CHANGED
    assert everything(servers, ONE, ZONE) == before
    assert records(steps, ONE, remove=((NAME, "TXT"),)).outcome is Outcome.CHANGED


def test_25_a_killed_step_is_ended_by_the_next_run_and_leaves_nothing(servers: Lab, steps: Steps) -> None:
    before = everything(servers, ONE, ZONE)
    for action in ("present", "absent"):
        root(servers, ONE, "touch", "/etc/powerdns/pdns.conf")  # so that PowerDNS is asked again whether it is sound
        with killed_at(servers, ONE, 1, "pdns_server"):  # its first program: before anything is written
            assert not challenge(steps, ONE, action, APEX).outcome.is_success
        # Killed after the write and before the answer was asked for, it would leave exactly this.
        assert challenge(steps, ONE, action, APEX).outcome is Outcome.CHANGED
        assert challenge(steps, ONE, action, APEX).outcome is Outcome.OK
    assert everything(servers, ONE, ZONE) == before


def test_what_is_wrong_is_refused_and_a_withdrawn_zone_stays_silent(servers: Lab, steps: Steps) -> None:
    before = everything(servers, ONE, ZONE)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("name", {"name": f"www.{ZONE}"}),
        ("name", {"name": "_acme-challenge.other.example."}),
        ("values", {"values": ["v=spf1 -all"]}),
        ("values", {"values": []}),
        ("zone", {"zone": "shop.example"}),
    ]
    for field, change in wrong:
        for action in ("present", "absent"):
            result = challenge(steps, ONE, action, APEX, **change)
            assert (result.outcome, result.message.split(": ")[1]) == (Outcome.INVALID, field), result
    assert challenge(steps, ONE, "present", APEX, service=77).reason == "conflict"
    assert challenge(steps, ONE, "absent", APEX, service=77).outcome is Outcome.OK
    assert everything(servers, ONE, ZONE) == before
    assert on_zone(steps, ONE, "zone_withdrawn").outcome is Outcome.CHANGED
    assert challenge(steps, ONE, "present", APEX).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, NAME, "TXT")) == "REFUSED"
    assert challenge(steps, ONE, "absent", APEX).outcome is Outcome.CHANGED
    assert on_zone(steps, ONE, "zone_served").outcome is Outcome.CHANGED
    assert everything(servers, ONE, ZONE) == before
    assert root(servers, ONE, "pdnsutil", "check-zone", ZONE)
