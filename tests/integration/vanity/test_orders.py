"""Ordering a name under a parent domain: what it becomes, and who is refused one and why."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.lifecycle import parents as said
from orchestrator.models.fleet import ParentDomain
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Service
from orchestrator.store import fleet as fleets
from orchestrator.store import parents, services, snapshots, wildcards
from orchestrator.store.database import transaction
from tests.integration.vanity.conftest import PARENT, PROVIDER, Provider
from tests.support import fleet


def test_an_order_becomes_a_site_a_mailbox_and_a_record(provider: Provider) -> None:
    task = provider.name(3001, "Anna")
    assert task.status == "done", task.error
    row, view = Service.get_by_id(3001), snapshots.of(3001)
    assert (row.status, row.mode, row.domain, row.username) == ("active", "vanity", "anna.provider.test", "w3001")
    assert (row.vanity_name, row.roles) == ("anna", "dns,mail,web")
    box = Mailbox.get(Mailbox.service_id == 3001)
    assert (box.local_part, box.domain, box.quota_mb) == ("anna", PARENT, 1024)
    assert DomainName.get_by_id("anna.provider.test").service_id == 3001
    assert view.web is not None and view.web.name in ("web1", "web2")
    mine = provider.objects_of(3001)
    assert sorted(mine["mail1"]) == ["mailbox anna@provider.test"]
    assert sorted(mine["dns1"]) == sorted(mine["dns2"]) == ["rrset anna.provider.test. A"]
    assert sorted(key.split()[0] for key in mine[view.web.name]) == ["package", "php", "proxy", "site", "user"]
    site = mine[view.web.name]["site anna.provider.test"]
    assert site["names"] == ["anna.provider.test"]


def test_the_web_server_is_the_least_loaded_of_those_that_the_parent_allows(provider: Provider) -> None:
    for number in range(4):
        provider.name(3001 + number, f"name{number}")
    places = [snapshots.of(3001 + number).web for number in range(4)]
    assert sorted(place.name for place in places if place) in (
        ["web1", "web1", "web2", "web2"],
        ["web1", "web2", "web2", "web2"],
    )
    fleets.set_server_status("web1", "draining")
    fleets.set_server_status("web2", "draining")
    assert "no active server for web" in provider.refused(3009, "name9")


def test_ordering_it_again_deploys_it_again(provider: Provider) -> None:
    provider.name(3001)
    ParentDomain.update(reserved=["anna"]).execute()  # what it has stays its own
    assert provider.name(3001).status == "done"
    assert provider.status(3001) == "active"
    assert "exists with the domain anna.provider.test" in provider.refused(3001, "other")
    assert Service.select().count() == 2


BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vanity_name: is missing", {"vanity_name": ""}),
    ("vanity_name: “a.b” is not usable", {"vanity_name": "a.b"}),
    ("vanity_name: ", {"vanity_name": "xn--bcher-kva"}),
    ("vanity_name: ", {"vanity_name": "-x"}),
    ("vanity_name: ", {"vanity_name": "a" * 64}),
    ("vanity_name: ", {"vanity_name": ["a"]}),
    ("vanity_name: ", {"vanity_name": 7}),
    ("vanity_name: ", {"vanity_name": "{{ lookup('pipe', 'id') }}"}),
    ("vanity_name: www is reserved", {"vanity_name": "www"}),
    ("vanity_name: postmaster is reserved", {"vanity_name": "Postmaster"}),
    ("vanity_name: ns7 is reserved", {"vanity_name": "ns7"}),
    ("vanity_name: forum is reserved", {"vanity_name": "forum"}),
    ("parent_domain: is missing", {"parent_domain": ""}),
    ("parent_domain: there is no parent domain “other.test”", {"parent_domain": "other.test"}),
    ("parent_domain: ", {"parent_domain": "../x"}),
    ("parent_domain: ", {"parent_domain": 7}),
    ("domain: is not anna.provider.test", {"domain": "bob.provider.test"}),
    ("domain: is not anna.provider.test", {"domain": PARENT}),
    ("domain: ", {"domain": "a b"}),
    ("vanity_name: belongs to mode vanity", {"mode": "split", "domain": "a.test"}),
    ("vanity_name: belongs to mode vanity", {"mode": "unified", "domain": "a.test"}),
    ("package: there is no package", {"package": "huge"}),
    ("group: there is no group", {"group": "nowhere"}),
    ("roles: ", {"roles": ["dns"]}),
    ("roles: ", {"roles": ["ftp"]}),
    ("roles: ", {"roles": []}),
    ("username: w900 is taken", {"username": "w900"}),
    ("username: root is reserved", {"username": "root"}),
)


def test_a_bad_order_says_what_is_wrong_and_leaves_nothing(provider: Provider) -> None:
    for words, params in BAD:
        error = provider.refused(3001, **params)
        assert words in error, (params, error)
        assert ";" in error, error
    assert Service.select().count() == 1
    assert Mailbox.select().where(Mailbox.service_id == 3001).count() == 0
    assert provider.name(3001, domain="ANNA.provider.test.").status == "done"


def test_a_name_that_somebody_has_is_taken_and_the_message_says_by_whom(provider: Provider) -> None:
    provider.name(3001)
    DomainName.create(name="shop.provider.test", service_id=PROVIDER, kind="alias")
    DomainName.create(name="deep.below.provider.test", service_id=PROVIDER, kind="alias")
    for name in ("wiki.provider.test.", "_x.tree.provider.test."):
        DnsRecord.create(service_id=PROVIDER, name=name, type="TXT", ttl=60, contents=["x"])
    provider.done("mail.mailbox_present", PROVIDER, local_part="boss", password_sealed=provider.sealed("correct horse"))
    fleet.add_server("ns9", "10.77.0.99", "dns", hostname="shelf.provider.test")
    cases = {
        "anna": "anna.provider.test belongs to service 3001",
        "shop": "shop.provider.test belongs to service 900",
        "below": "deep.below.provider.test belongs to service 900",
        "wiki": "a record wiki.provider.test. TXT",
        "tree": "a record _x.tree.provider.test. TXT",
        "boss": "there is a mailbox boss@provider.test",
        "shelf": "server ns9 is shelf.provider.test",
    }
    for name, words in cases.items():
        error = provider.refused(3002, name)
        assert f"vanity_name: {name} is taken under {PARENT}: " in error and words in error, error
        with pytest.raises(Conflict, match="is taken"):
            provider.app.check("service.create", 3002, provider.wanted(3002, name), "test")
    assert Service.select().count() == 2


def test_a_name_is_free_again_when_its_service_is_gone(provider: Provider) -> None:
    provider.name(3001)
    provider.done("terminate", 3001)
    assert provider.name(3002, "anna").status == "done"
    assert provider.objects_of(3002)["mail1"].keys() == {"mailbox anna@provider.test"}
    assert "belongs to service 3002" in provider.refused(3001, "anna")


def test_nobody_else_gets_in_between(provider: Provider) -> None:
    provider.name(3001)
    ordinary = {
        PARENT: "overlaps the parent domain",
        "dave.provider.test": "order it in mode vanity",
        "deep.dave.provider.test": "overlaps the parent domain",
        "anna.provider.test": "overlaps the parent domain",
        "child.anna.provider.test": "overlaps the parent domain",
        "www.provider.test": "overlaps the parent domain",
    }
    for domain, words in ordinary.items():
        row = provider.done("create", 4001, domain=domain, package="small", group="standard")
        assert row.status == "error" and words in str(row.error), row.error
    provider.order(4002, "shop.test")
    for action, params in (
        ("change_domain", {"domain": "x.provider.test"}),
        ("web.domain_present", {"domain": "y.provider.test"}),
    ):
        row = provider.done(action, 4002, **params)
        assert row.status == "error" and "overlaps the parent domain" in str(row.error), row.error
    for taken in ("anna.provider.test", "www.anna.provider.test"):  # not even the parent's own service
        with pytest.raises(Conflict, match="which service 3001 owns"):
            services.refuse_foreign_domain(taken, PROVIDER)
    services.refuse_foreign_domain("fresh.provider.test", PROVIDER)
    services.refuse_foreign_domain(PARENT, PROVIDER)


def test_the_parents_own_service_takes_no_name_of_a_vanity_service(provider: Provider) -> None:
    provider.name(3001)
    secret = provider.sealed("correct horse")
    wishes = (
        (
            "mail.mailbox_present",
            {"local_part": "anna", "password_sealed": secret},
            "local_part: anna@provider.test belongs",
        ),
        (
            "mail.alias_present",
            {"local_part": "anna", "destinations": ["x@y.test"]},
            "local_part: anna@provider.test belongs",
        ),
        ("dns.record_present", {"name": "anna", "type": "TXT", "records": ["x"]}, "name: anna.provider.test. belongs"),
        (
            "dns.record_present",
            {"name": "_x.anna", "type": "TXT", "records": ["x"]},
            "name: _x.anna.provider.test. belongs",
        ),
        ("web.domain_present", {"domain": "anna.provider.test"}, "which service 3001 owns"),
        ("terminate", {}, "holds the parent domain provider.test of 1 vanity services"),
        ("terminate", {"force": True}, "holds the parent domain"),
        ("factory_reset", {}, "holds the parent domain"),
        ("change_domain", {"domain": "elsewhere.test"}, "holds the parent domain"),
    )
    for action, params, words in wishes:
        row = provider.done(action, PROVIDER, **params)
        assert row.status == "error" and words in str(row.error), (action, row.error)
    fleets.set_group("standard", "suspended_dns", "withdraw")
    assert "holds the parent domain" in str(provider.done("suspend", PROVIDER).error)
    assert provider.status(PROVIDER) == "active"


def test_a_vanity_service_changes_nothing_of_its_parent(provider: Provider) -> None:
    provider.name(3001)
    secret = provider.sealed("correct horse")
    wishes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("mail.mailbox_present", {"local_part": "second", "password_sealed": secret}),
        ("mail.mailbox_absent", {"local_part": "anna"}),
        ("mail.mailbox_absent", {"local_part": "postmaster"}),
        ("mail.alias_present", {"local_part": "info", "destinations": ["x@y.test"]}),
        ("dns.record_present", {"name": "www", "type": "A", "records": ["192.0.2.1"]}),
        ("dns.record_present", {"name": "@", "type": "TXT", "records": ["x"]}),
        ("web.domain_present", {"domain": "mine.test"}),
        ("change_domain", {"domain": "mine.test"}),
    )
    begin = len(provider.executor.requests)
    for action, params in wishes:
        row = provider.done(action, 3001, **params)
        refused = row.status == "error" or "skipped" in (row.result or {})
        assert refused, (action, params, row.result)
    assert len(provider.executor.requests) == begin


def test_without_mail_or_with_external_dns_those_roles_are_off(provider: Provider) -> None:
    provider.name(3001, package="no-mail")
    assert Service.get_by_id(3001).roles == "dns,web"
    provider.name(3002, package="no-web")
    assert Service.get_by_id(3002).roles == "mail"
    said.add(said.Said(name="outside.test", dns="external"))
    row = provider.done("create", 3003, **provider.wanted(3003) | {"parent_domain": "outside.test"})
    assert row.status == "done", row.error
    assert Service.get_by_id(3003).roles == "web"
    assert not [one for one in provider.jobs(3003) if not one["action"].startswith("web.")]
    assert "offers no mail" in provider.refused(3004, "dora", parent_domain="outside.test", roles=["web", "mail"])
    assert "offers no dns" in provider.refused(3004, "dora", parent_domain="outside.test", roles=["web", "dns"])


def test_a_parent_in_use_stays(provider: Provider) -> None:
    provider.name(3001)
    with pytest.raises(Conflict, match="is used by 1 services"):
        parents.remove(PARENT, wildcards.forget)
    with pytest.raises(Conflict, match="DNS servers of parent domain"):
        transaction(lambda: (Service.update(group_id=99).execute(), fleets.remove_group("standard")))
    provider.done("terminate", 3001)
    before = provider.serial()
    parents.remove(PARENT, wildcards.forget)
    provider.declare()
    assert provider.serial() >= before
    provider.name(3002)
    assert provider.serial() > before
    assert provider.done("terminate", PROVIDER).status == "error"


BAD_PARENTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "child.provider.test", "mail_user": "x", "zone_owner": "y"}, "overlaps the parent domain"),
    ({"name": "two.test", "mail_server": "nowhere"}, "there is no server"),
    ({"name": "two.test", "mail_server": "web1"}, "server web1 has no role mail"),
    ({"name": "two.test", "mail_user": ""}, "mail_user: is missing"),
    ({"name": "two.test", "mail_user": "S 1"}, "mail_user: "),
    ({"name": "two.test"}, "service 900 has the domain provider.test, not two.test"),
    ({"name": "two.test", "mail_domain": PARENT}, "zone_owner: service 900 has the domain provider.test"),
    ({"name": "two.test", "mail_user": "x", "dns": "pull"}, "dns: "),
    ({"name": "two.test", "mail_user": "x", "zone_owner": ""}, "zone_owner: is missing"),
    ({"name": "two.test", "mail_user": "x", "group": ""}, "group: is missing"),
    ({"name": "two.test", "mail_user": "x", "group": "nowhere"}, "there is no group"),
    ({"name": "two.test", "mail_user": "x", "group": "empty"}, "has no DNS server"),
    ({"name": "two.test", "mail_user": "x", "zone_owner": "y", "zone_serial": 2**32}, "zone_serial: "),
    ({"name": "two.test", "mail_user": "x", "dns": "external"}, "zone_owner: belongs to --dns push"),
    ({"name": "two.test", "mail_server": ""}, "mail_user: needs a mail server"),
    ({"name": "two.test", "web_servers": ("nowhere",)}, "there is no server"),
    ({"name": "two.test", "web_servers": ("dns1",)}, "server dns1 has no role web"),
    ({"name": "two.test", "reserved": "a,b c"}, "reserved: "),
    ({"name": "two"}, "name: "),
    ({"name": "shop.test", "mail_user": "x", "zone_owner": "y"}, "which service 4001 owns"),
    ({"name": "x.shop.test", "mail_user": "x", "zone_owner": "y"}, "which service 4001 owns"),
    (
        {"name": "two.test", "mail_user": "x", "zone_owner": "y", "mail_domain": "shop.test"},
        "which service 4001 owns",
    ),
)


def test_a_parent_that_does_not_fit_is_refused(provider: Provider) -> None:
    fleets.add_group("empty", {})
    provider.order(4001, "shop.test", roles=["web"])
    for more, words in BAD_PARENTS:
        with pytest.raises((InvalidInput, Conflict)) as error:
            provider.declare(**more)
        assert words in str(error.value), (more, error.value)
    assert ParentDomain.select().count() == 1
