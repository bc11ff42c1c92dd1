"""Each client change: its row, its steps, the job that a node gets, and what is left when it goes again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bcrypt
import pytest

from orchestrator.models.objects import CronJob, MailAlias, ServiceDatabase, SftpAccount
from orchestrator.models.service import DnsRecord, DomainName, Mailbox
from orchestrator.store import services, snapshots
from tests.integration.client.conftest import ED25519, Customer

WEB, MAIL, BOTH_DNS = ("web1",), ("mail1",), ("dns1", "dns2")
MODELS = (ServiceDatabase, SftpAccount, CronJob, MailAlias, DnsRecord)


@dataclass(frozen=True)
class Case:
    """A change: what is asked for, where its steps run, and what of the job matters."""

    noun: str
    name: dict[str, Any]
    more: dict[str, Any]
    servers: tuple[str, ...]
    job: dict[str, Any]
    password: bool = False


ANSWER = {"name": "a.shop.test.", "type": "A", "ttl": 600, "records": ["192.0.2.7"]}
CASES = [
    Case("web.database", {"name": "blog"}, {}, WEB, {"name": "w1001_blog", "username": "w1001"}, password=True),
    Case(
        "web.sftp",
        {"name": "up"},
        {"public_keys": [f"{ED25519} me@home"], "folder": "www/img"},
        WEB,
        {"name": "w1001_up", "public_keys": [ED25519], "folder": "www/img", "password_hash": None},
    ),
    Case(
        "web.cron",
        {"name": "nightly"},
        {"schedule": "0 3 * jan-mar mon", "command": "php www/cron.php"},
        WEB,
        {"name": "nightly", "schedule": "0 3 * 1-3 1", "command": "php www/cron.php", "enabled": True},
    ),
    Case(
        "mail.mailbox",
        {"local_part": "Info"},
        {"quota_mb": 50, "display_name": "Zoë"},
        MAIL,
        {"local_part": "info", "domain": "shop.test", "quota_mb": 50, "display_name": "Zoë", "enabled": True},
        password=True,
    ),
    Case(
        "mail.alias",
        {"local_part": "sales"},
        {"destinations": ["Postmaster@SHOP.test", "me@Bücher.example"]},
        MAIL,
        {"local_part": "sales", "destinations": ["me@xn--bcher-kva.example", "postmaster@shop.test"], "enabled": True},
    ),
    Case(
        "dns.record", {"name": "a", "type": "a"}, {"ttl": 600, "records": ["192.0.2.7"]}, BOTH_DNS, {"rrsets": [ANSWER]}
    ),
    Case(
        "web.domain", {"domain": "Other.Example."}, {}, WEB, {"names": ["shop.test", "www.shop.test", "other.example"]}
    ),
]


def given(customer: Customer, case: Case) -> dict[str, Any]:
    """Return the params of a present."""
    secret = {"password_sealed": customer.sealed("correct horse")} if case.password else {}
    return {**case.name, **case.more, **secret}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.noun)
def test_it_comes_and_goes(case: Case, customer: Customer) -> None:
    present, absent = f"{case.noun}_present", f"{case.noun}_absent"
    before = snapshots.of(1001)
    customer.done(present, **given(customer, case))
    assert sorted(customer.ran) == [(present, server) for server in case.servers]
    job = customer.job(present)
    assert {key: job[key] for key in case.job} == case.job
    customer.done(present, **given(customer, case))  # again: the same
    assert len(customer.ran) == len(case.servers)
    customer.done(absent, **case.name)
    removal = present if case.noun == "web.domain" else absent  # a site's names are set as a whole
    assert sorted(customer.ran) == [(removal, server) for server in case.servers]
    assert all(model.select().count() == 0 for model in MODELS)
    assert Mailbox.select().count() == 1 and DomainName.select().count() == 1
    after = snapshots.of(1001)
    assert (after.mailboxes, after.aliases, after.former_aliases) == (before.mailboxes, (), ())
    assert "skipped" in customer.done(absent, **case.name)
    assert customer.ran == []
    row = services.get(1001)
    assert (row.status, row.generation, row.error) == ("active", 1, None)


def test_the_answer_names_what_was_made(customer: Customer) -> None:
    sealed = customer.sealed("correct horse")
    assert customer.done("web.database_present", name="a", password_sealed=sealed)["name"] == "w1001_a"
    assert customer.done("web.sftp_present", name="a", password_sealed=sealed)["name"] == "w1001_a"
    assert customer.done("dns.record_present", name="x", type="TXT", records=["y"])["name"] == "x.shop.test."


def test_a_database_password_becomes_the_hash_that_mariadb_keeps(customer: Customer) -> None:
    customer.done("web.database_present", name="a", password_sealed=customer.sealed("mypassword"))
    assert customer.job("web.database_present")["password_hash"] == "*FABE5482D5AADF36D028AC443D117BE1180B9725"
    customer.done("web.database_present", name="a")  # without a password: as it was
    assert customer.job("web.database_present")["password_hash"] == "*FABE5482D5AADF36D028AC443D117BE1180B9725"


def test_what_an_sftp_login_is_not_given_stays_as_it_was(customer: Customer) -> None:
    customer.done("web.sftp_present", name="up", password_sealed=customer.sealed("correct horse"))
    first = customer.job("web.sftp_present")
    assert bcrypt.checkpw(b"correct horse", first["password_hash"].encode())
    assert (first["public_keys"], first["folder"]) == ([], "www")
    customer.done("web.sftp_present", name="up", public_keys=[ED25519], folder="www/a")
    second = customer.job("web.sftp_present")
    assert second["password_hash"] == first["password_hash"]
    assert (second["public_keys"], second["folder"]) == ([ED25519], "www/a")
    customer.done("web.sftp_present", name="up", public_keys=[])
    assert customer.job("web.sftp_present")["public_keys"] == []


def test_an_sftp_login_without_a_way_in_of_its_own_follows_the_account_s_password(customer: Customer) -> None:
    customer.done("service.change_password", password_sealed=customer.sealed("first password"))
    customer.done("web.sftp_present", name="own", password_sealed=customer.sealed("first password"))
    customer.done("web.sftp_present", name="shared")
    assert bcrypt.checkpw(b"first password", customer.job("web.sftp_present")["password_hash"].encode())
    customer.done("service.change_password", password_sealed=customer.sealed("second password"))
    assert sorted(customer.ran) == [("mail.mailbox_present", "mail1"), ("web.sftp_present", "web1")]
    job = customer.job("web.sftp_present")
    assert job["name"] == "w1001_shared"
    assert bcrypt.checkpw(b"second password", job["password_hash"].encode())


def test_what_a_mailbox_is_not_given_stays_as_it_was(customer: Customer) -> None:
    customer.done("mail.mailbox_present", local_part="a", password_sealed=customer.sealed("correct horse"), quota_mb=7)
    first = customer.job("mail.mailbox_present")
    customer.done("mail.mailbox_present", local_part="a", enabled=False, display_name="A")
    second = customer.job("mail.mailbox_present")
    assert second == first | {"enabled": False, "display_name": "A"}
    customer.done("mail.mailbox_present", local_part="a", display_name="B")
    assert customer.job("mail.mailbox_present")["enabled"] is False


def test_a_domain_inside_the_zone_gets_addresses_and_loses_them_again(customer: Customer) -> None:
    serial = services.get(1001).zone_serial
    customer.done("web.domain_present", domain="blog.shop.test")
    assert sorted(customer.ran) == [
        ("dns.records_present", "dns1"),
        ("dns.records_present", "dns2"),
        ("web.domain_present", "web1"),
    ]
    job = customer.job("dns.records_present")
    assert {"name": "blog.shop.test.", "type": "A", "ttl": 3600, "records": ["10.77.0.11"]} in job["rrsets"]
    assert job["serial"] > serial
    customer.done("web.domain_absent", domain="blog.shop.test")
    removed = customer.job("dns.records_present")
    assert removed["remove"] == [{"name": "blog.shop.test.", "type": kind} for kind in ("A", "AAAA")]
    assert removed["serial"] > job["serial"]
    assert DomainName.select().count() == 1


def test_a_record_takes_the_place_of_a_default_one_and_gives_it_back(customer: Customer) -> None:
    customer.done("dns.record_present", name="@", type="MX", records=["20 Mail.Example.", "10 mx.example."])
    job = customer.job("dns.record_present")
    assert job["rrsets"][0]["records"] == ["20 mail.example.", "10 mx.example."]
    customer.done("dns.record_absent", name="shop.test", type="MX")
    assert sorted(customer.ran) == [("dns.record_present", server) for server in BOTH_DNS]
    assert customer.job("dns.record_present")["rrsets"][0]["records"] == ["10 mail.shop.test."]


def test_a_cname_makes_way_for_an_address_in_one_change(customer: Customer) -> None:
    customer.done("dns.record_present", name="x", type="CNAME", records=["a.example."])
    customer.block("dns.record_absent")
    customer.insert("dns.record_absent", name="x", type="CNAME")
    customer.bench.settle(until=lambda: ("dns.record_absent", "dns1") in customer.ran)
    row = customer.insert("dns.record_present", name="x", type="A", records=["192.0.2.1"])
    customer.bench.settle(until=lambda: [one for one, _ in customer.ran].count("dns.record_present") >= 2 + 2)
    assert customer.job("dns.record_present")["remove"] == [{"name": "x.shop.test.", "type": "CNAME"}]
    customer.hold.set()
    customer.bench.settle()
    assert row and [(one.name, one.type) for one in snapshots.of(1001).custom_records] == [("x.shop.test.", "A")]


def test_an_alias_keeps_a_copy_in_a_mailbox_only_while_it_says_so(customer: Customer) -> None:
    customer.done("mail.mailbox_present", local_part="a", password_sealed=customer.sealed("correct horse"))
    reason = customer.refused("mail.alias_present", local_part="a", destinations=["me@elsewhere.example"])
    assert "a@shop.test is a mailbox that would get no mail" in reason
    customer.done("mail.alias_present", local_part="a", destinations=["me@elsewhere.example", "A@shop.test"])
    assert "keeps a copy in this mailbox" in customer.refused("mail.mailbox_absent", local_part="a")
    customer.done("mail.alias_absent", local_part="a")
    customer.done("mail.mailbox_absent", local_part="a")


def test_aliases_never_lead_round_in_a_circle(customer: Customer) -> None:
    customer.done("mail.alias_present", local_part="a", destinations=["b@shop.test"])
    customer.done("mail.alias_present", local_part="b", destinations=["c+x@shop.test"])
    reason = customer.refused("mail.alias_present", local_part="c", destinations=["me@x.example", "A+tag@shop.test"])
    assert "they lead back to c@shop.test" in reason
    customer.done("mail.alias_present", local_part="b", destinations=["c+x@shop.test"], enabled=False)
    customer.done("mail.alias_present", local_part="c", destinations=["a@shop.test"])
