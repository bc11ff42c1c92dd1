"""The node's own configuration: what a hand has broken, what does not pass, and what a power cut leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import faults, snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import NODE, PASSWORD, MailNode, done
from tests.acceptance.mail.test_steps import HALF_COMMIT, TABLES, tree
from tests.support import mail

pytestmark = pytest.mark.lab

LIVE = ("/etc/postfix/main.cf", "/etc/dovecot/dovecot.conf", "/etc/rspamd/local.d/options.inc")


@pytest.fixture
def broken(node: MailNode) -> Iterator[MailNode]:
    """Yield the node with three live configurations broken by hand."""
    for path in LIVE:
        node.root("sh", "-c", f"echo 'broken by hand {{' >> {path}")
    yield node
    done(node.steps.prepare(NODE))


def prepare(node: MailNode, *, check: bool = False) -> RunResult:
    return node.steps.prepare(NODE, check=check)


def test_the_preparation_run_again_changes_nothing(node: MailNode) -> None:
    before = tree(node)
    for check in (False, True):
        result = prepare(node, check=check)
        assert result.outcome is Outcome.OK, [event for event in result.events if event.status == "changed"]
    assert snapshot.diff(before, tree(node)) == []


def test_a_configuration_broken_by_hand_stops_each_step_and_nobodys_mail(broken: MailNode) -> None:
    before = tree(broken)
    for result, culprit in (
        (broken.domain(quota_mb=63), "postfix"),
        (broken.mailbox("late"), "postfix"),
        (broken.dkim(selector="t2"), "rspamd"),
    ):
        assert (result.outcome, result.reason) == (Outcome.FAILED, "config_broken"), result
        assert culprit in result.message
    assert snapshot.diff(before, tree(broken)) == []
    assert mail.may_log_in(broken.address, "info@neighbour.example", PASSWORD)
    assert prepare(broken, check=True).outcome is Outcome.CHANGED
    assert done(prepare(broken)).outcome is Outcome.CHANGED  # what is ours is written anew
    assert done(broken.mailbox("info")).outcome is Outcome.OK


def test_dovecots_broken_configuration_stops_a_mailbox(node: MailNode) -> None:
    node.root("sh", "-c", "echo 'broken by hand {' >> /etc/dovecot/dovecot.conf")
    result = node.mailbox("late")
    assert (result.outcome, result.reason, "dovecot" in result.message) == (Outcome.FAILED, "config_broken", True)
    assert node.query("routing", "SELECT count(*) FROM mailboxes WHERE address = 'late@shop.example'") == [[0]]
    done(prepare(node))


VERSION_1 = """
import sqlite3
for name in ("routing", "accounts"):
    c = sqlite3.connect("/var/lib/tenantry/mail/%s.sqlite" % name)
    c.executescript("BEGIN; DROP TABLE suspensions; PRAGMA user_version = 1; COMMIT")
    if name == "accounts":
        c.executescript("ALTER TABLE domains DROP COLUMN moved_from")
"""


def test_tables_of_an_older_version_are_brought_to_this_one(node: MailNode) -> None:
    before = tree(node)
    node.python(VERSION_1)
    refused = node.mailbox("info")
    assert (refused.outcome, refused.reason) == (Outcome.FAILED, "config_broken"), refused
    assert mail.may_log_in(node.address6, "info@shop.example", PASSWORD) is False  # safe, until the preparation
    assert prepare(node, check=True).outcome is Outcome.CHANGED
    assert done(prepare(node)).outcome is Outcome.CHANGED
    assert prepare(node).outcome is Outcome.OK
    assert done(node.mailbox("info")).outcome is Outcome.OK
    assert mail.may_log_in(node.address, "info@shop.example", PASSWORD)
    assert [line for line in snapshot.diff(before, tree(node)) if "CREATE TABLE" not in line] == []


def test_a_file_of_somebody_else_that_breaks_a_daemon_is_named_and_nothing_goes_live(node: MailNode) -> None:
    theirs, ours = "/etc/rspamd/local.d/dkim.conf", "/etc/rspamd/override.d/actions.conf"
    node.root("sh", "-c", f"echo 'broken {{' > {theirs}; rm {ours}")
    result = prepare(node)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "config_broken"), result
    assert "dkim.conf" in result.message
    assert node.root("ls", "/etc/rspamd/override.d").count("actions.conf") == 0
    node.root("rm", theirs)
    assert done(prepare(node)).outcome is Outcome.CHANGED


def test_a_crash_between_write_and_reload_is_made_good(node: MailNode) -> None:
    assert node.root("systemctl", "reload", "dovecot") == ""
    node.root("touch", "/run/tenantry-mail/postfix.pending")  # as a run leaves it that dies there
    before = node.root("journalctl", "--no-pager", "-u", "postfix@-", "-o", "cat").count("reload -- version")
    assert prepare(node, check=True).outcome is Outcome.CHANGED
    assert done(prepare(node)).outcome is Outcome.CHANGED
    after = node.root("journalctl", "--no-pager", "-u", "postfix@-", "-o", "cat").count("reload -- version")
    assert after == before + 1
    assert prepare(node).outcome is Outcome.OK


def test_a_daemon_that_was_stopped_runs_again(node: MailNode) -> None:
    node.root("systemctl", "stop", "rspamd")
    result = node.dkim(selector="t3")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "probe"), result
    assert "shop.example t1" in node.root("cat", "/var/lib/tenantry/dkim/selectors.map")
    assert done(prepare(node)).outcome is Outcome.CHANGED
    assert done(node.dkim()).outcome is Outcome.OK


def test_after_a_power_cut_in_a_commit_mail_flows_again(node: MailNode) -> None:
    node.python(HALF_COMMIT)
    faults.power_cut(node.lab, NODE)
    faults.boot(node.lab, NODE)
    node.root(
        "systemctl", "start", "postfix@-.service", "dovecot.service", "rspamd.service"
    )  # waits for the boot's jobs
    assert "journal" not in node.root("ls", TABLES)
    sent = mail.message(f"someone@{NODE}.lab.test", "info@shop.example")
    mail.deliver_as_servers_do(node.address, sent)  # rspamd takes a moment
    with mail.mailbox(node.address, "info@shop.example", PASSWORD) as box:
        mail.fetch(box, sent["Subject"])
