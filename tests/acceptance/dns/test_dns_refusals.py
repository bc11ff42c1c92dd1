"""What a step on a DNS server refuses, and what it takes back."""

from __future__ import annotations

import pytest

from lab import snapshot
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    ONE,
    SERVICE,
    TWO,
    ZONE,
    answers,
    everything,
    records,
    root,
    rrset,
    serial,
    tree,
    zone,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

WWW = rrset(f"www.{ZONE}", "A", "192.0.2.10", "192.0.2.11")
MAKE_BY_HAND = """
    key=$(cat /etc/powerdns/tenantry-api.key)
    curl -sf -H "X-API-Key: $key" -d '{{"name": "{zone}", "kind": "Native", "nameservers": ["ns1.lab.test."]}}' \
        http://127.0.0.1:8081/api/v1/servers/localhost/zones
"""


def test_a_zone_of_somebody_else_is_left_alone(servers: Lab, steps: Steps) -> None:
    root(servers, ONE, "pdnsutil", "create-zone", "provider.example", "ns1.lab.test")
    before = tree(servers, ONE)
    conflicts = [
        zone(steps, ONE, ZONE, 2002),
        zone(steps, ONE, f"below.{ZONE}", 2002),
        zone(steps, ONE, "provider.example.", 2002),
        zone(steps, ONE, "customer.provider.example.", 2002),
        records(steps, ONE, rrset(f"www.{ZONE}", "A", "203.0.113.1"), service=2002),
        records(steps, ONE, rrset("www.provider.example.", "A", "203.0.113.1"), zone="provider.example."),
    ]
    for result in conflicts:
        assert (result.outcome, result.reason) == (Outcome.INVALID, "conflict"), result
    missing = records(steps, ONE, rrset("www.none.example.", "A", "203.0.113.1"), zone="none.example.")
    assert "dns.zone_present" in missing.message
    assert snapshot.diff(before, tree(servers, ONE)) == []
    assert zone(steps, ONE, f"below.{ZONE}", SERVICE).outcome is Outcome.CHANGED
    root(servers, ONE, "pdnsutil", "delete-zone", f"below.{ZONE}")
    child = zone(steps, TWO, "deep.down.example.", 2003)
    above = zone(steps, TWO, "down.example.", 2004)
    assert (child.outcome, above.reason) == (Outcome.CHANGED, "conflict")


def test_a_change_that_the_server_does_not_answer_is_taken_back(servers: Lab, steps: Steps) -> None:
    """A zone made by hand hides a name of ours: PowerDNS takes the record and never answers it."""
    assert records(steps, ONE, WWW).outcome.is_success
    root(servers, ONE, "bash", "-ec", MAKE_BY_HAND.format(zone=f"hidden.{ZONE}"))
    before, number = everything(servers, ONE, ZONE), serial(servers, ONE, ZONE)
    result = records(
        steps,
        ONE,
        rrset(f"www.{ZONE}", "A", "203.0.113.9"),
        rrset(f"hidden.{ZONE}", "A", "203.0.113.9"),
        serial=number + 10,
    )
    assert (result.outcome, result.reason) == (Outcome.FAILED, "probe")
    assert "taken back" in result.message
    assert everything(servers, ONE, ZONE) == before
    assert answers(servers, ONE, f"www.{ZONE}", "A") == ["300 192.0.2.10", "300 192.0.2.11"]
    root(servers, ONE, "pdnsutil", "delete-zone", f"hidden.{ZONE}")


def test_bad_input_is_refused_before_anything_is_touched(servers: Lab, steps: Steps) -> None:
    """The whole grammar is in the unit tests; these go all the way to the node."""
    before = tree(servers, ONE)
    bad = (
        records(steps, ONE, rrset(f"www.{ZONE}", "A", "192.0.2.1", ttl=1)),
        records(steps, ONE, rrset(f"www.{ZONE}", "A' OR 1=1", "192.0.2.1")),
        records(steps, ONE, rrset(f"www.{ZONE}", "TXT", "one\ntwo"), check=True),
        records(steps, ONE, zone="../../etc/passwd"),
        zone(steps, ONE, ZONE, SERVICE, 2**32),
        records(steps, ONE, {"name": f"www.{ZONE}", "type": "A", "records": ["192.0.2.1"]}),
    )
    for result in bad:
        assert result.outcome is Outcome.INVALID, result
        assert result.message
    assert records(steps, ONE).outcome is Outcome.OK  # no records, nothing to do
    assert snapshot.diff(before, tree(servers, ONE)) == []
