"""Records of customers: one spelling, and never what a DNS server would refuse or read as something else."""

from __future__ import annotations

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import dns_names, dns_rdata

from orchestrator.core import dns_text
from orchestrator.core.errors import InvalidInput

NAMES = [
    ("@", "shop.test."),
    ("shop.test", "shop.test."),
    ("Shop.Test.", "shop.test."),
    ("www", "www.shop.test."),
    ("www.", None),
    ("www.shop.test", "www.shop.test."),
    ("www.shop.test.", "www.shop.test."),
    ("a.b", "a.b.shop.test."),
    ("*", "*.shop.test."),
    ("*.a", "*.a.shop.test."),
    ("_dmarc", "_dmarc.shop.test."),
    ("_sip._tcp", "_sip._tcp.shop.test."),
    ("bücher", "xn--bcher-kva.shop.test."),
    ("notshop.test.", None),
    ("a.*", None),
    ("a b", None),
    ("-a", None),
    ("a-", None),
    ("a..b", None),
    (".", None),
    ("@.a", None),
    ("a;b", None),
    ("a\\046b", None),
    ("\ud800", None),
]


@pytest.mark.parametrize(("given", "absolute"), NAMES)
def test_a_name_is_made_absolute_or_refused(given: str, absolute: str | None) -> None:
    if absolute is None:
        with pytest.raises(InvalidInput):
            dns_text.name(given, "shop.test")
        return
    assert dns_text.name(given, "shop.test") == absolute
    assert dns_names.owner_name(absolute, "shop.test.") == absolute


CONTENTS = [
    ("A", "192.0.2.1", "192.0.2.1"),
    ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
    ("CNAME", "_X.Example.", "_x.example."),
    ("MX", "10  Mail.Example.", "10 mail.example."),
    ("MX", "0 .", "0 ."),
    ("SRV", "00 1 993 mail.example.", "0 1 993 mail.example."),
    ("SRV", "0 0 0 .", "0 0 0 ."),
    ("CAA", '0 ISSUE "ca.example; x=y"', '0 issue "ca.example; x=y"'),
    ("CAA", "128 iodef mailto:a@x.example", '128 iodef "mailto:a@x.example"'),
    ("CAA", '0 issue ""', '0 issue ""'),
    ("TXT", 'v=spf1 "quoted" \\ Zoë', 'v=spf1 "quoted" \\ Zoë'),
    ("TXT", "x" * 2048, "x" * 2048),
]


@pytest.mark.parametrize(("kind", "given", "canonical"), CONTENTS)
def test_a_record_has_one_spelling_that_the_server_takes(kind: str, given: str, canonical: str) -> None:
    assert dns_text.contents(kind, [given, canonical]) == [canonical]
    assert dns_rdata.parse(kind, canonical, "records")


@pytest.mark.parametrize("kind", dns_text.TYPES)
@pytest.mark.parametrize(
    "text", ["", "\0", "a\nb", "x\ty" * 1000, "{{ 7 }}\n", '"', "$INCLUDE /etc/passwd\n", "\ud800", "٣"]
)
def test_what_the_server_would_refuse_is_refused(kind: str, text: str) -> None:
    try:
        found = dns_text.contents(kind, [text])
    except InvalidInput as refusal:
        assert refusal.remedy
        return
    assert dns_rdata.parse(kind, found[0], "records")


@pytest.mark.parametrize("value", ["SOA", "NS", "ANY", "", None, 7, ["A"]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        dns_text.kind(value)
