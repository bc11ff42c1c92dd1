"""Zones and records on two servers that must answer alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lab import access, nodes, snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import (
    SERIAL,
    answers,
    ask,
    code,
    everything,
    records_params,
    rrset,
    serial,
    texts,
    tree,
    zone_params,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

Found = TypeVar("Found")
ONE, TWO = "dns8", "dns9"
BOTH = (ONE, TWO)
ZONE = "shop.example."
SERVICE = 1001
DKIM = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" * 9
CANARY = "/tmp/dns-canary"
CORPUS = (
    f"{{{{ lookup('pipe', 'touch {CANARY}') }}}}",
    "{% raw %}x{% endraw %} {# a note #}",
    "#jinja2: variable_start_string:'['",
    "!unsafe x",
    f"$(touch {CANARY}) `touch {CANARY}` ; touch {CANARY} | & > <",
    'quotes "double" \'single\' and \\ back\\slash \\065 \\"',
    "v=spf1; semicolons; everywhere;",
    "umlauts äöü, 日本語, \N{GRINNING FACE}",
    "  spaces  before,  between  and after  ",
    "'; DROP TABLE records; --",
    "%41 %s %n {0} ${HOME} @ORIGIN @",
    "x" * 255,
    "y" * 256,
    "é" * 300,
    "",
)


@pytest.fixture(scope="module")
def servers(lab: Lab, steps: Steps) -> Iterator[Lab]:
    """Yield a lab with two prepared servers that have the zone."""
    nodes.down(lab, BOTH)
    nodes.up(lab, BOTH)

    def build(node: str) -> list[Outcome]:
        return [steps.prepare(node).outcome, zone(steps, node, ZONE, SERVICE).outcome]

    assert at_once(build) == [[Outcome.CHANGED, Outcome.CHANGED]] * 2
    yield lab
    nodes.down(lab, BOTH)


def at_once(work: Callable[[str], Found]) -> list[Found]:
    """Do the same on both servers at the same time."""
    with ThreadPoolExecutor(len(BOTH)) as pool:
        return list(pool.map(work, BOTH))


def zone(steps: Steps, node: str, name: str, service: int | None, number: int = SERIAL) -> RunResult:
    return steps.run(node, "dns.zone_present", zone_params(name, number), service=service)


def records(steps: Steps, node: str, *rrsets: dict[str, Any], service: int = SERVICE, **more: Any) -> RunResult:
    action = more.pop("action", "dns.records_present")
    check = more.pop("check", False)
    params = records_params(more.pop("zone", ZONE), *rrsets, **more)
    return steps.run(node, action, params, service=service, check=check)


def root(lab: Lab, node: str, *command: str) -> str:
    return access.on(lab, node, *command).stdout


MAKE_BY_HAND = """
    key=$(cat /etc/powerdns/tenantry-api.key)
    curl -sf -H "X-API-Key: $key" -d '{{"name": "{zone}", "kind": "Native", "nameservers": ["ns1.lab.test."]}}' \
        http://127.0.0.1:8081/api/v1/servers/localhost/zones
"""
DEFAULTS = (
    rrset(ZONE, "A", "192.0.2.10"),
    rrset(ZONE, "AAAA", "2001:DB8:0:0::10"),
    rrset(f"WWW.{ZONE}", "A", "192.0.2.10", "192.0.2.11"),
    rrset(ZONE, "MX", f"10 mail.{ZONE}", "20 Backup.Example."),
    rrset(f"nomail.{ZONE}", "MX", "0 ."),
    rrset(ZONE, "TXT", "v=spf1 mx a ~all"),
    rrset(f"_imaps._tcp.{ZONE}", "SRV", f"0 1 993 mail.{ZONE}"),
    rrset(f"_none._tcp.{ZONE}", "SRV", "0 0 0 ."),
    rrset(ZONE, "CAA", '0 issue "ca.example; account=7"', "128 iodef mailto:abuse@example.org"),
    rrset(f"blog.{ZONE}", "CNAME", "_x.hosting.example."),
    rrset(f"*.wild.{ZONE}", "A", "192.0.2.12"),
    rrset(f"child.{ZONE}", "NS", f"ns1.child.{ZONE}"),
    rrset(f"ns1.child.{ZONE}", "A", "192.0.2.13"),
)


def test_both_servers_answer_alike_and_a_second_run_changes_nothing(servers: Lab, steps: Steps) -> None:

    def twice(node: str) -> list[Any]:
        first = records(steps, node, *DEFAULTS).outcome
        before = tree(servers, node)
        second = [records(steps, node, *DEFAULTS).outcome, zone(steps, node, ZONE, SERVICE).outcome]
        return [first, *second, snapshot.diff(before, tree(servers, node))]

    assert at_once(twice) == [[Outcome.CHANGED, Outcome.OK, Outcome.OK, []]] * 2
    assert everything(servers, ONE, ZONE) == everything(servers, TWO, ZONE)
    for node in BOTH:
        assert answers(servers, node, ZONE, "MX") == ["300 10 mail.shop.example.", "300 20 backup.example."]
        assert answers(servers, node, f"www.{ZONE}", "A") == ["300 192.0.2.10", "300 192.0.2.11"]
        assert answers(servers, node, ZONE, "AAAA") == ["300 2001:db8::10"]
        assert answers(servers, node, f"any.wild.{ZONE}", "A") == ["300 192.0.2.12"]
        assert answers(servers, node, ZONE, "NS") == ["3600 ns1.lab.test.", "3600 ns2.lab.test."]
        soa = rf"ns1.lab.test. host\.master.shop.example. {SERIAL} 7200 3600 1209600 3600"
        assert answers(servers, node, ZONE, "SOA") == [f"3600 {soa}"]
        assert code(ask(servers, node, f"nothing.{ZONE}", "A")) == "NXDOMAIN"


def test_serials_in_any_order_and_at_once_end_the_same_on_both(servers: Lab, steps: Steps) -> None:
    """The tasks of a zone carry the serial of the moment they began: SERIAL + 1 without the key, + 2 with it."""
    first = (rrset(f"late.{ZONE}", "A", "192.0.2.20"),)
    key = (rrset(f"tenantry1._domainkey.{ZONE}", "TXT", DKIM),)
    assert records(steps, ONE, *first, serial=SERIAL + 1).outcome is Outcome.CHANGED
    assert records(steps, ONE, *key, serial=SERIAL + 2, action="dns.record_present").outcome is Outcome.CHANGED
    both = [
        threading.Thread(target=records, args=(steps, TWO, *key), kwargs={"serial": SERIAL + 2}),
        threading.Thread(
            target=records, args=(steps, TWO, *first), kwargs={"serial": SERIAL + 1, "action": "dns.record_present"}
        ),
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    for node in BOTH:
        assert serial(servers, node, ZONE) == SERIAL + 2
        assert texts(servers, node, f"tenantry1._domainkey.{ZONE}") == [DKIM.encode()]
    assert everything(servers, ONE, ZONE) == everything(servers, TWO, ZONE)


def test_a_server_that_missed_a_change_and_its_end_arrives_at_the_same_serial(servers: Lab, steps: Steps) -> None:
    """A record comes and goes while one server is down: nothing is left to do there but the serial."""
    record = rrset(f"brief.{ZONE}", "A", "192.0.2.30")
    assert records(steps, ONE, record, serial=SERIAL + 3).outcome is Outcome.CHANGED

    def remove(node: str) -> tuple[Outcome, int]:
        result = records(steps, node, serial=SERIAL + 4, remove=((f"brief.{ZONE}", "A"),))
        return result.outcome, serial(servers, node, ZONE)

    assert at_once(remove) == [(Outcome.CHANGED, SERIAL + 4)] * 2
    assert everything(servers, ONE, ZONE) == everything(servers, TWO, ZONE)


def test_an_older_serial_never_takes_a_newer_one_back(servers: Lab, steps: Steps) -> None:
    before = serial(servers, ONE, ZONE)
    assert zone(steps, ONE, ZONE, SERVICE, SERIAL).outcome is Outcome.OK
    assert records(steps, ONE, rrset(f"old.{ZONE}", "A", "192.0.2.40"), serial=SERIAL).outcome is Outcome.CHANGED
    assert serial(servers, ONE, ZONE) == before
    assert records(steps, ONE, remove=((f"old.{ZONE}", "A"),)).outcome is Outcome.CHANGED


def test_text_arrives_byte_for_byte(servers: Lab, steps: Steps) -> None:
    rrsets = [rrset(f"t{number}.{ZONE}", "TXT", text) for number, text in enumerate(CORPUS)]
    rrsets.append(rrset(f"all.{ZONE}", "TXT", *CORPUS))
    for expected in (Outcome.CHANGED, Outcome.OK):
        assert records(steps, ONE, *rrsets).outcome is expected
    for number, text in enumerate(CORPUS):
        assert texts(servers, ONE, f"t{number}.{ZONE}") == [text.encode()]
    assert sorted(texts(servers, ONE, f"all.{ZONE}")) == sorted(text.encode() for text in CORPUS)
    assert not Path(CANARY).exists()
    assert access.on(servers, ONE, "test", "-e", CANARY, check=False).returncode == 1


def test_what_was_not_named_is_left_alone(servers: Lab, steps: Steps) -> None:
    root(servers, ONE, "pdnsutil", "add-record", ZONE, "byhand", "A", "60", "192.0.2.50")
    before = everything(servers, ONE, ZONE)
    assert records(steps, ONE, *DEFAULTS).outcome is Outcome.OK
    assert records(steps, ONE, rrset(f"new.{ZONE}", "A", "192.0.2.51")).outcome is Outcome.CHANGED
    assert set(before) - set(everything(servers, ONE, ZONE)) == set()
    result = records(steps, ONE, remove=((f"new.{ZONE}", "A"), (f"byhand.{ZONE}", "A"), (f"never.{ZONE}", "A")))
    assert result.outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, f"byhand.{ZONE}", "A")) == "NXDOMAIN"


def test_drift_is_seen_by_check_mode_and_repaired(servers: Lab, steps: Steps) -> None:
    root(servers, ONE, "pdnsutil", "replace-rrset", ZONE, "www", "A", "60", "203.0.113.66")
    root(servers, ONE, "pdnsutil", "delete-rrset", ZONE, "@", "NS")
    before = tree(servers, ONE)
    found = records(steps, ONE, *DEFAULTS, check=True)
    checked = steps.run(ONE, "dns.zone_present", zone_params(ZONE), service=SERVICE, check=True)
    assert (found.outcome, checked.outcome) == (Outcome.CHANGED, Outcome.CHANGED)
    shown = "".join(event.diff for event in found.events)
    assert "-www.shop.example. 60 IN A 203.0.113.66" in shown and "+www.shop.example. 300 IN A 192.0.2.10" in shown
    assert snapshot.diff(before, tree(servers, ONE)) == []
    assert records(steps, ONE, *DEFAULTS).outcome is Outcome.CHANGED
    assert zone(steps, ONE, ZONE, SERVICE).outcome is Outcome.CHANGED
    assert answers(servers, ONE, f"www.{ZONE}", "A") == ["300 192.0.2.10", "300 192.0.2.11"]
    assert len(answers(servers, ONE, ZONE, "NS")) == 2


def test_a_cached_answer_does_not_outlive_a_change(servers: Lab, steps: Steps) -> None:
    name = f"cached.{ZONE}"
    assert code(ask(servers, ONE, name, "A")) == "NXDOMAIN"
    for address in ("192.0.2.60", "192.0.2.61"):
        stop = threading.Event()

        def busy(stop: threading.Event = stop) -> None:
            while not stop.wait(0.002):
                ask(servers, ONE, name, "A")

        clients = threading.Thread(target=busy)
        clients.start()
        result = records(steps, ONE, rrset(name, "A", address))
        found = answers(servers, ONE, name, "A")
        stop.set()
        clients.join(10)
        assert result.outcome is Outcome.CHANGED
        assert found == [f"300 {address}"]
    assert records(steps, ONE, remove=((name, "A"),)).outcome is Outcome.CHANGED
    assert code(ask(servers, ONE, name, "A")) == "NXDOMAIN"


def test_a_cname_stands_alone_and_may_change_places(servers: Lab, steps: Steps) -> None:
    name = f"swap.{ZONE}"
    assert records(steps, ONE, rrset(name, "A", "192.0.2.70")).outcome is Outcome.CHANGED
    refused = records(steps, ONE, rrset(name, "CNAME", f"www.{ZONE}"))
    assert (refused.outcome, refused.reason) == (Outcome.INVALID, "invalid")
    assert "CNAME" in refused.message
    result = records(steps, ONE, rrset(name, "CNAME", f"www.{ZONE}"), remove=((name, "A"),))
    assert result.outcome is Outcome.CHANGED
    assert answers(servers, ONE, name, "CNAME") == [f"300 www.{ZONE}"]
    back = records(steps, ONE, rrset(name, "A", "192.0.2.70"), remove=((name, "CNAME"),))
    assert back.outcome is Outcome.CHANGED
    assert answers(servers, ONE, name, "A") == ["300 192.0.2.70"]


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
