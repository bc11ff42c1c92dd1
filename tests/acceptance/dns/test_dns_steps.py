"""Zones and records on two servers that must answer alike."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lab import access, snapshot
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
    at_once,
    code,
    everything,
    records,
    root,
    rrset,
    serial,
    texts,
    tree,
    zone,
)
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

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
