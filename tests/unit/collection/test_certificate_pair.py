"""Key, chain, serial and names belong together, or the field that does not is named. Needs the openssl program, no node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import certificate_pair, dns_rdata, mail_certificates
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

from tests.support.certificates import Authority

NAMES = ("shop.test", "*.shop.test")
PAIR, OTHER = Authority().issue(*NAMES), Authority().issue(*NAMES)


def read(*names: str, **changes: Any) -> certificate_pair.Pair:
    step: Any = SimpleNamespace(params={**PAIR.params(), **changes}, warnings=[], probe=Step.probe)
    return certificate_pair.read(step, names)


def test_a_good_pair_is_read_whole() -> None:
    pair = read("shop.test", "www.shop.test")
    assert (pair.leaf, pair.serial) == (PAIR.der, PAIR.serial)
    assert pair.facts()["not_after"].endswith("+00:00")
    assert pair.version.startswith(f"{PAIR.serial}-")
    windows = read(certificate=PAIR.certificate.replace("\n", "\r\n"), serial=PAIR.serial.zfill(12))
    assert windows.chain == pair.chain


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("private_key", {"private_key": OTHER.private_key}),
        ("private_key", {"private_key": PAIR.private_key * 2}),
        ("private_key", {"private_key": PAIR.private_key.replace("PRIVATE", "ENCRYPTED PRIVATE")}),
        ("private_key", {"private_key": ""}),
        ("certificate", {"certificate": ""}),
        ("certificate", {"certificate": PAIR.private_key}),
        ("certificate", {"certificate": PAIR.certificate + "x"}),
        ("certificate", {"certificate": PAIR.certificate * 6}),
        ("certificate", {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}),
        ("serial", {"serial": f"{int(PAIR.serial, 16) + 1:x}"}),
        ("serial", {"serial": "../x"}),
        ("serial", {"serial": "A0\n"}),
    ],
)
def test_what_does_not_belong_together_is_refused_by_field_and_no_key_is_shown(
    field: str, changes: dict[str, str]
) -> None:
    with pytest.raises(StepFailed) as caught:
        read(**changes)
    assert (caught.value.reason, caught.value.evidence["field"]) == ("invalid", field)
    assert PAIR.secret not in str(caught.value) and OTHER.secret not in str(caught.value)


@pytest.mark.parametrize("name", ["a.b.shop.test", "shop.test.example", "hop.test", "neighbour.test"])
def test_a_name_that_is_not_covered_is_refused(name: str) -> None:
    with pytest.raises(StepFailed, match="names"):
        read(name)


def test_dovecot_names_the_folder_of_the_pair_and_not_a_link() -> None:
    text = mail_certificates.block("shop.test", ["mail.shop.test", "webmail.shop.test"], "a0-1")
    assert text.count("local_name ") == 2
    assert text.count("  ssl_key = </etc/tenantry/tls/mail/shop.test/a0-1/key.pem\n") == 2
    assert "current" not in text


@pytest.mark.parametrize("text", ["plain", 'quo"te \\ back', "x" * 600, "ümlaut 日本", ""])
def test_a_txt_record_is_read_as_it_was_written(text: str) -> None:
    written = dns_rdata.parse("TXT", text, "records")
    assert dns_rdata.stored_txt(written.text) == written
