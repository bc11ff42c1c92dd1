"""The mail steps themselves: idempotent, harmless in check mode, refusing what they should."""

from __future__ import annotations

import concurrent.futures

import pytest

from lab import access, nodes, snapshot
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import BOXES, DOMAINS, NEIGHBOUR, NODE, OWN, PASSWORD, MailNode, done
from tests.support import mail

pytestmark = pytest.mark.lab

IGNORED = ("/var/lib/tenantry/guard*", "/var/vmail/*")
TABLES = "/var/lib/tenantry/mail"


def tree(node: MailNode) -> snapshot.Tree:
    return snapshot.tree(node.lab, NODE, exclude=IGNORED)


def test_run_again_nothing_changes_and_check_mode_agrees(node: MailNode) -> None:
    before = tree(node)
    for check in (False, True):
        for result in (node.domain(check=check), node.dkim(check=check), node.mailbox("info", check=check)):
            assert result.outcome is Outcome.OK, (check, result.message, result.events)
    assert node.dkim().facts["dkim"]["public_key"] == node.keys["shop.example"]
    assert snapshot.diff(before, tree(node)) == []


def test_check_mode_shows_what_a_new_service_would_get_and_touches_nothing(node: MailNode) -> None:
    before = tree(node)
    new = {"domain": "new.example"}
    for result in (
        node.domain(check=True, **new),
        node.dkim(check=True, **new),
        node.mailbox("info", check=True, **new),
        node.mailbox("info", check=True, quota_mb=7),
    ):
        assert result.outcome is Outcome.CHANGED, result.message
        shown = "".join(event.diff for event in result.events)
        assert "example" in shown
        assert "$2b$" not in shown
    assert snapshot.diff(before, tree(node)) == []


def test_a_display_name_arrives_byte_for_byte(node: MailNode) -> None:
    for name in (
        "Zoë “Info” O'Neil; DROP TABLE accounts --",
        "{{ 7 * 7 }} {% x %} {# y #} $(id) `id` \\ % 雪 👩‍💻"[:60],
    ):
        result = node.mailbox("sales", display_name=name)
        if result.outcome is Outcome.INVALID:  # not printable everywhere: a joined emoji
            assert "display_name" in result.message
            continue
        rows = node.query("accounts", "SELECT display_name FROM accounts WHERE address = 'sales@shop.example'")
        assert rows == [[name]]
    assert done(node.mailbox("sales")).outcome is Outcome.CHANGED


def test_a_new_password_counts_at_once_and_is_shown_nowhere(node: MailNode) -> None:
    other = mail.password_hash("another password")
    result = done(node.mailbox("sales", password_hash=other))
    assert not mail.may_log_in(node.address6, "sales@shop.example", PASSWORD)
    assert mail.may_log_in(node.address, "sales@shop.example", "another password")
    assert other.split("$")[-1] not in repr(result)
    assert other.split("$")[-1] not in node.root("journalctl", "--no-pager", "-n", "400")
    done(node.mailbox("sales"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("domain", f"{NODE}.lab.test"), ("quota_mb", "{{ 7 * 7 }}"), ("mailboxes", -1)],
)
def test_a_bad_domain_is_refused(node: MailNode, field: str, value: object) -> None:
    result = node.domain(**{field: value})  # type: ignore[arg-type]
    assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid"), result
    assert field in result.message


@pytest.mark.parametrize(
    ("field", "value"),
    [("local_part", "../../etc/x"), ("password_hash", "{PLAIN}secret-in-clear"), ("display_name", "two\nlines")],
)
def test_a_bad_mailbox_is_refused_in_check_mode_too_and_no_secret_quoted(
    node: MailNode, field: str, value: str
) -> None:
    result = node.mailbox(**{"local_part": "new", field: value, "check": field != "password_hash"})  # type: ignore[arg-type]
    assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid"), result
    assert field in result.message
    assert "secret-in-clear" not in repr(result)


def test_what_belongs_to_somebody_else_is_left_alone(node: MailNode) -> None:
    before = tree(node)
    theirs = {"domain": DOMAINS[NEIGHBOUR]}
    for result in (
        node.domain(check=True, **theirs),
        node.domain(**theirs),
        node.dkim(**theirs),
        node.mailbox("mine", **theirs),
        node.mailbox("info", **theirs),
    ):
        assert (result.outcome, result.reason) == (Outcome.INVALID, "conflict"), result
        assert f"s{NEIGHBOUR}" in result.message
    missing = node.mailbox("info", domain="never-ordered.example")
    assert (missing.outcome, missing.reason) == (Outcome.INVALID, "invalid")
    assert "not hosted" in missing.message
    assert snapshot.diff(before, tree(node)) == []


def test_the_number_of_mailboxes_is_bounded(node: MailNode) -> None:
    done(node.domain(NEIGHBOUR, mailboxes=1))
    result = node.mailbox("second", NEIGHBOUR)
    assert (result.outcome, "limit of 1" in result.message) == (Outcome.INVALID, True), result
    assert done(node.mailbox("info", NEIGHBOUR)).outcome is Outcome.OK
    done(node.domain(NEIGHBOUR))


def test_steps_at_the_same_time_do_not_lose_each_other(node: MailNode) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for result in pool.map(
            lambda service: node.domain(service, domain=f"same{service}.example"), range(3001, 3004)
        ):
            done(result)
    rows = node.query("routing", "SELECT owner FROM domains WHERE domain LIKE 'same%' ORDER BY owner")
    assert rows == [["s3001"], ["s3002"], ["s3003"]]


def test_a_crash_after_the_key_or_before_the_map_is_healed(node: MailNode) -> None:
    key = "/var/lib/tenantry/dkim/shop.example/t1.key"
    assert node.root("stat", "-c", "%a %U:%G", key).strip() == "640 root:_rspamd"
    forget = f"import sqlite3; c = sqlite3.connect('{TABLES}/routing.sqlite'); "
    forget += "c.execute('UPDATE domains SET dkim_selector = NULL WHERE domain = ?', ('shop.example',)); c.commit()"
    node.python(forget)
    node.root("rm", "/var/lib/tenantry/dkim/selectors.map")
    healed = done(node.dkim())
    assert healed.outcome is Outcome.CHANGED
    assert healed.facts["dkim"]["public_key"] == node.keys["shop.example"]
    assert "neighbour.example t1" in node.root("cat", "/var/lib/tenantry/dkim/selectors.map")


HALF_COMMIT = """
import os, signal, sqlite3
if os.fork() == 0:
    c = sqlite3.connect("/var/lib/tenantry/mail/routing.sqlite", isolation_level=None)
    c.execute("PRAGMA cache_size = 1")
    c.execute("BEGIN IMMEDIATE")
    for number in range(3000):
        row = ("ghost%d@shop.example" % number, "shop.example", "s2001")
        c.execute("INSERT INTO mailboxes (address, domain, owner) VALUES (?, ?, ?)", row)
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
"""


def test_a_commit_that_was_cut_short_is_rolled_back_by_the_next_step(node: MailNode) -> None:
    node.python(HALF_COMMIT)
    assert "routing.sqlite-journal" in node.root("ls", TABLES)
    assert done(node.mailbox("info")).outcome is Outcome.OK
    assert "journal" not in node.root("ls", TABLES)
    assert node.query("routing", "SELECT count(*) FROM mailboxes WHERE address LIKE 'ghost%'") == [[0]]


def test_a_link_in_the_way_of_a_key_is_not_followed(node: MailNode) -> None:
    folder = "/var/lib/tenantry/dkim/trap.example"
    done(node.domain(domain="trap.example"))
    node.root("install", "-d", "/srv/target")
    node.root("ln", "-s", "/srv/target", folder)
    try:
        result = node.dkim(domain="trap.example")
        assert (result.outcome, result.reason) == (Outcome.FAILED, "unsafe_path"), result
        assert node.root("ls", "-A", "/srv/target") == ""
    finally:
        node.root("rm", folder)


def test_a_node_without_preparation_says_so_and_check_mode_passes(node: MailNode) -> None:
    fresh = "mail9"
    nodes.up(node.lab, [fresh])
    try:
        before = snapshot.tree(node.lab, fresh)
        params = {"domain": "shop.example", "quota_mb": 64, "mailboxes": 5}
        planned = node.steps.run(fresh, "mail.domain_present", params, service=OWN, check=True)
        assert planned.outcome is Outcome.CHANGED, planned
        assert done(node.steps.prepare(fresh, check=True)).outcome is Outcome.CHANGED
        assert snapshot.diff(before, snapshot.tree(node.lab, fresh)) == []
        refused = node.steps.run(fresh, "mail.domain_present", params)
        assert (refused.outcome, refused.reason) == (Outcome.FAILED, "missing_software"), refused
        assert access.on(node.lab, fresh, "test", "-e", TABLES, check=False).returncode == 1
    finally:
        nodes.down(node.lab, [fresh])


def test_every_mailbox_still_logs_in(node: MailNode) -> None:
    for service, names in BOXES.items():
        for name in names:
            assert mail.may_log_in(node.address, f"{name}@{DOMAINS[service]}", PASSWORD)
