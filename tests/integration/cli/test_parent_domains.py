"""`tenantry parent-domain` and vanity orders on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.models.fleet import ParentDomain
from orchestrator.models.service import DomainName, Mailbox
from orchestrator.models.task import Task
from tests.integration.cli.test_commands import Shell
from tests.integration.conftest import opened
from tests.support import fleet

ADD = ("parent-domain", "add", "provider.test", "--mail-server", "mail1", "--mail-user", "s900")
PUSH = ("--dns", "push", "--zone-owner", "provider", "--group", "standard", "--zone-serial", "2026010100")
ORDER = ("service", "create", "--id", "3001", "--mode", "vanity", "--package", "small", "--group", "standard")
UNDER = ("--parent-domain", "provider.test", "--vanity-name")


@pytest.fixture
def shell(tmp_path: Path, home: Path):
    """Yield a command line over a small fleet in which two names are taken."""
    url = f"sqlite:///{tmp_path / 'tenantry.db'}"
    with opened(url):
        fleet.build()
        yield Shell(url, home)


def test_a_parent_is_added_listed_shown_and_removed(shell: Shell) -> None:
    ended = shell(*ADD, *PUSH, "--web-server", "web1", "--reserved", "shop,forum")
    assert (ended.code, ended.err, ended.out) == (0, "", "added parent domain provider.test\n")
    row = ParentDomain.get()
    assert (row.mail_user, row.mail_domain, row.zone_owner, row.zone_serial) == (
        "s900",
        "provider.test",
        "provider",
        2026010100,
    )
    assert (row.web_servers, row.reserved) == (["web1"], ["forum", "shop"])
    listed = json.loads(shell("parent-domain", "list", "--json").out)
    assert listed[0]["mail_server"] == "mail1" and listed[0]["group"] == "standard" and listed[0]["services"] == 0
    shown = json.loads(shell("parent-domain", "show", "Provider.Test.", "--json").out)
    assert shown["taken"] == {} and shown["reserved"] == ["forum", "shop"]
    assert "provider.test" in shell("parent-domain", "list").out
    assert shell("parent-domain", "remove", "provider.test").code == 0
    assert json.loads(shell("parent-domain", "list", "--json").out) == []


def test_without_mail_and_with_external_dns(shell: Shell) -> None:
    assert shell("parent-domain", "add", "outside.test", "--dns", "external").code == 0
    shown = json.loads(shell("parent-domain", "show", "outside.test", "--json").out)
    assert (shown["dns"], shown["mail_server"], shown["zone_owner"]) == ("external", None, None)


BAD: tuple[tuple[tuple[str, ...], str], ...] = (
    (("parent-domain", "add", "other.test"), "Missing option"),
    (("parent-domain", "add", "other.test", "--dns", "maybe"), "dns: "),
    (("parent-domain", "add", "../x", "--dns", "external"), "name: "),
    (("parent-domain", "add", "other.test", "--dns", "external", "--mail-server", "nowhere"), "there is no server"),
    (("parent-domain", "add", "other.test", "--dns", "external", "--mail-server", "mail1"), "mail_user: is missing"),
    (("parent-domain", "add", "other.test", "--dns", "push", "--zone-owner", "x"), "group: is missing"),
    (("parent-domain", "add", "other.test", "--dns", "push", "--group", "standard"), "zone_owner: is missing"),
    (("parent-domain", "add", "provider.test", "--dns", "external"), "overlaps the parent domain"),
    (("parent-domain", "show", "nowhere.test"), "there is no parent domain"),
    (("parent-domain", "remove", "nowhere.test"), "there is no parent domain"),
    ((*ORDER, *UNDER, "a.b"), "vanity_name: "),
    ((*ORDER, *UNDER, "admin"), "vanity_name: admin is reserved"),
    (
        (*ORDER, *UNDER, "anna"),
        "vanity_name: anna is taken under provider.test: anna.provider.test belongs to service 3009",
    ),
    ((*ORDER, *UNDER, "boss"), "there is a mailbox boss@provider.test"),
    ((*ORDER, *UNDER, "x", "--domain", "y.test"), "domain: is not x.provider.test"),
    ((*ORDER, "--vanity-name", "x"), "parent_domain: is missing"),
    ((*ORDER, "--vanity-name", "x", "--parent-domain", "nowhere.test"), "there is no parent domain"),
)


def test_what_is_wrong_is_said_at_once_in_one_line(shell: Shell) -> None:
    assert shell(*ADD, *PUSH).code == 0
    DomainName.create(name="anna.provider.test", service_id=3009, kind="primary")
    Mailbox.create(
        service_id=900, domain="provider.test", local_part="boss", password_hash="", quota_mb=1, display_name="",
        enabled=True, created_at=ParentDomain.get().created_at,
    )  # fmt: skip
    for command, says in BAD:
        ended = shell(*command)
        assert (ended.code, ended.out) == (2, ""), (command, ended)
        assert says in ended.err and ended.err.count("\n") == 1, (command, ended)
    assert Task.select().count() == 0
    ended = shell(*ORDER, *UNDER, "bob")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(Task.get().params) == {
        "mode": "vanity", "vanity_name": "bob", "parent_domain": "provider.test", "package": "small", "group": "standard",
    }  # fmt: skip
