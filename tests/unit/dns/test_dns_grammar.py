"""What a DNS step accepts, against dnspython: another reading of the same standards."""

from __future__ import annotations

from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import (
    dns_names,
    dns_rdata,
    dns_records,
    dns_server,
    dns_zone,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed
from hypothesis import given
from hypothesis import strategies as st

ZONE = "shop.example."
GOOD = (
    ("A", "192.0.2.1", "192.0.2.1"),
    ("AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("CNAME", "_Dmarc.Other.Example.", "_dmarc.other.example."),
    ("NS", "ns1.other.example.", "ns1.other.example."),
    ("MX", "10 Mail.Shop.Example.", "10 mail.shop.example."),
    ("MX", "0 .", "0 ."),
    ("SRV", "0 1 993 mail.shop.example.", "0 1 993 mail.shop.example."),
    ("SRV", "0 0 0 .", "0 0 0 ."),
    ("CAA", "0 issue ca.example", '0 issue "ca.example"'),
    ("CAA", '128 Issue ";"', '128 issue ";"'),
    ("CAA", '0 issue "ca.example; account=1 2"', '0 issue "ca.example; account=1 2"'),
    ("TXT", "plain", '"plain"'),
    ("TXT", 'a"b\\c;', '"a\\"b\\\\c;"'),
    ("TXT", "ü", '"\\195\\188"'),
    ("TXT", "", '""'),
)
BAD = (
    *(("A", text) for text in ("", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "::1", "1.2.3.4\n", "0x1.2.3.4")),
    *(("AAAA", text) for text in ("", "1.2.3.4", "::ffff:1.2.3.4", "fe80::1%eth0", "2001:db8::1::2", "g::1")),
    *(
        ("CNAME", text)
        for text in ("", ".", "www", "a b.example.", "a..example.", "-a.example.", f"{'a' * 64}.example.")
    ),
    *(("NS", text) for text in ("_x.example.", "*.example.", "ns1.example", "ns1.example.\n", "ä.example.")),
    *(("MX", text) for text in ("10", "mail.example.", "10  mail.example.", "-1 mail.example.", "65536 mail.example.")),
    *(("MX", text) for text in ("10 .", "10 mail.example. x", "١٠ mail.example.", "1e1 mail.example.")),
    *(("SRV", text) for text in ("0 1 mail.example.", "0 1 70000 mail.example.", "0 1 993 mail", "0 1 993")),
    *(
        ("CAA", text)
        for text in ("0 issue", "256 issue x", '0 is-sue "x"', '0 issue "a"b"', "0 issue a\\b", "0 issue ä")
    ),
    *(("TXT", text) for text in ("a\nb", "a\0b", "\x7f", "\ud800", "x" * 4097, "\x1b[31m")),
)


@pytest.mark.parametrize(("kind", "given_text", "canonical"), GOOD)
def test_good_records_are_canonical_and_mean_what_dnspython_reads(kind: str, given_text: str, canonical: str) -> None:
    record = dns_rdata.parse(kind, given_text, "records")
    assert record.text == canonical
    assert record.wire == dns.rdata.from_text(dns.rdataclass.IN, kind, canonical).to_wire()


@pytest.mark.parametrize(("kind", "text"), BAD)
def test_bad_records_are_refused_with_the_field(kind: str, text: str) -> None:
    with pytest.raises(StepFailed) as failure:
        dns_rdata.parse(kind, text, "records")
    assert failure.value.reason == "invalid"
    assert str(failure.value).startswith("records: ")
    assert str(failure.value).isprintable()


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=600))
def test_any_text_is_published_byte_for_byte(text: str) -> None:
    record = dns_rdata.parse("TXT", text, "records")
    read = dns.rdata.from_text(dns.rdataclass.IN, "TXT", record.text)
    assert record.text.isascii()
    assert b"".join(read.strings) == text.encode()
    assert all(len(part) <= 255 for part in read.strings)
    assert record.wire == read.to_wire()


@given(st.sampled_from(dns_rdata.kinds()), st.text(max_size=80))
def test_whatever_is_accepted_is_what_dnspython_accepts(kind: str, text: str) -> None:
    try:
        record = dns_rdata.parse(kind, text, "records")
    except StepFailed as failure:
        assert failure.reason == "invalid"
        return
    assert record.wire == dns.rdata.from_text(dns.rdataclass.IN, kind, record.text).to_wire()
    if kind != "TXT":
        assert dns_rdata.parse(kind, record.text, "records") == record


@pytest.mark.parametrize(
    ("name", "canonical"),
    (
        (ZONE, ZONE),
        ("WWW.shop.example.", "www.shop.example."),
        ("*.shop.example.", "*.shop.example."),
        ("_imaps._tcp.shop.example.", "_imaps._tcp.shop.example."),
    ),
)
def test_names_inside_the_zone(name: str, canonical: str) -> None:
    assert dns_names.owner_name(name, ZONE) == canonical


@pytest.mark.parametrize(
    "name",
    (
        *("", ".", "www", "www.shop.example", "www.other.example.", "xshop.example.", "a*.shop.example."),
        *("www.*.shop.example.", "a b.shop.example.", "a\\.shop.example.", "ä.shop.example.", "a..shop.example."),
        *("a\n.shop.example.", "-a.shop.example.", f"{'a' * 64}.shop.example.", f"{'a.' * 125}shop.example."),
        *("{{x}}.shop.example.", "$(id).shop.example.", "shop.example.%00.", "../shop.example."),
    ),
)
def test_names_outside_the_grammar_or_the_zone(name: str) -> None:
    with pytest.raises(StepFailed) as failure:
        dns_names.owner_name(name, ZONE)
    assert failure.value.reason == "invalid"


@pytest.mark.parametrize(
    "name",
    ("", ".", "example.", "shop.example", "_x.example.", "10.0.0.1.", "a/b.example.", "shop..example.", "*.example."),
)
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(StepFailed):
        dns_names.zone(name)


@pytest.mark.parametrize(
    ("mailbox", "labels"),
    (
        ("hostmaster.shop.example.", (b"hostmaster", b"shop", b"example", b"")),
        ("host\\.master.shop.example.", (b"host.master", b"shop", b"example", b"")),
    ),
)
def test_the_mailbox_of_a_soa_record(mailbox: str, labels: tuple[bytes, ...]) -> None:
    assert dns_names.mailbox(mailbox) == mailbox
    assert dns_names.to_wire(mailbox) == dns.name.Name(labels).to_wire()


@pytest.mark.parametrize(
    "mailbox", ("", ".", "hostmaster", "host master.shop.example.", "a@b.shop.example.", 'a".shop.example.', "a.")
)
def test_mailboxes_that_are_none(mailbox: str) -> None:
    with pytest.raises(StepFailed):
        dns_names.mailbox(mailbox)


def job(**changes: Any) -> dict[str, Any]:
    one = {"name": f"www.{ZONE}", "type": "A", "ttl": 300, "records": ["192.0.2.1"]}
    return {"zone": ZONE, "owner": "s1", "shared_owner": "", "serial": 1, "rrsets": [one], "remove": [], **changes}


def changed(**values: Any) -> dict[str, Any]:
    return job(rrsets=[{**job()["rrsets"][0], **values}])


@pytest.mark.parametrize(
    ("params", "field"),
    (
        (job(zone="shop.example"), "zone"),
        (job(owner="S 1"), "owner"),
        (job(serial=0), "serial"),
        (job(serial=2**32), "serial"),
        (job(rrsets=job()["rrsets"] * 2), "rrsets"),
        (job(rrsets=job()["rrsets"] * 2001), "rrsets"),
        (job(remove=[{"name": f"www.{ZONE}", "type": "A"}]), "rrsets"),
        (job(remove=[{"name": ZONE, "type": "SOA"}]), "remove[0].type"),
        (job(remove=[{"name": ZONE, "type": "NS"}]), "remove[0].type"),
        (changed(name=ZONE, type="NS", records=["ns.evil.example."]), "rrsets[0].type"),
        (changed(name=ZONE, type="CNAME", records=["evil.example."]), "rrsets[0].type"),
        (changed(type="SOA", records=["a. b. 1 2 3 4 5"]), "rrsets[0].type"),
        (changed(type="LUA", records=["A \"os.execute('id')\""]), "rrsets[0].type"),
        (changed(type="PTR", records=["www.shop.example."]), "rrsets[0].type"),
        (changed(type="CNAME", records=["a.example.", "b.example."]), "rrsets[0].records"),
        (changed(ttl=59), "rrsets[0].ttl"),
        (changed(ttl=604_801), "rrsets[0].ttl"),
        (changed(records=[]), "rrsets[0].records"),
        (changed(records=[f"192.0.2.{number}" for number in range(101)]), "rrsets[0].records"),
        (changed(records=["nonsense"]), "rrsets[0].records (A)"),
    ),
)
def test_bad_jobs_name_the_field(params: dict[str, Any], field: str) -> None:
    with pytest.raises(StepFailed) as failure:
        dns_records.read(params)
    assert failure.value.reason == "invalid"
    assert str(failure.value).startswith(f"{field}: ")


def test_a_set_is_a_set() -> None:
    wanted = dns_records.read(changed(type="a", records=["192.0.2.2", "192.0.2.1", "192.0.2.2"]))
    assert [record.text for record in wanted.rrsets[0].records] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    ("values", "field"),
    (
        ({"nameservers": []}, "nameservers"),
        ({"nameservers": ["ns1"]}, "nameservers"),
        ({"mname": "ns1"}, "soa.mname"),
        ({"rname": "a@b.example."}, "soa.rname"),
        ({"minimum": 0}, "soa.minimum"),
        ({"expire": 2**31}, "soa.expire"),
        ({"serial": -1}, "serial"),
        ({"owner": "../x"}, "owner"),
    ),
)
def test_bad_zone_jobs_name_the_field(values: dict[str, Any], field: str) -> None:
    soa = {"mname": "ns1.lab.test.", "rname": "a.b.example.", "refresh": 60, "retry": 60, "expire": 60, "minimum": 60}
    params: dict[str, Any] = {"zone": ZONE, "owner": "s1", "nameservers": ["ns1.lab.test."], "serial": 1}
    params |= {name: value for name, value in values.items() if name not in soa}
    params["soa"] = soa | {name: value for name, value in values.items() if name in soa}
    with pytest.raises(StepFailed) as failure:
        dns_zone.read(params)
    assert str(failure.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("values", "field"),
    (
        ({"hostname": "-x"}, "hostname"),
        ({"hostname": "a\nb"}, "hostname"),
        ({"hostname": "a b"}, "hostname"),
        *(
            ({"addresses": [text]}, "addresses")
            for text in ("", "x", "0.0.0.0", "::", "224.0.0.1", "fe80::1", "1.2.3.4\n")
        ),
        ({"addresses": [f"192.0.2.{number}" for number in range(17)]}, "addresses"),
    ),
)
def test_bad_server_jobs_name_the_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(StepFailed) as failure:
        dns_server.read({"hostname": "ns1.example", "addresses": [], **values})
    assert str(failure.value).startswith(f"{field}: ")


def test_the_hash_in_the_configuration_is_kept_for_the_same_key_only() -> None:
    line = f"api-key={dns_server._new_hash('right')}\n"
    assert dns_server._known_hash(f"x=1\n{line}y=2\n", "right") == line[len("api-key=") : -1]
    assert dns_server._known_hash(line, "wrong") == ""
    assert "right" not in line
