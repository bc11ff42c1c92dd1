"""A domain gets another name and keeps everything in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import NEIGHBOUR, NODE, OWN, PASSWORD, MailNode, done
from tests.acceptance.mail.test_removal import BOX, STRANGER, deploy, tree
from tests.support import mail

pytestmark = pytest.mark.lab

LATE, FORMER, NEW = 2010, "late.example", "later.example"
HALF = """
import sqlite3
c = sqlite3.connect("/var/lib/tenantry/mail/accounts.sqlite")
c.execute("UPDATE domains SET moved_from = 'late.example' WHERE domain = 'later.example'")
c.commit()
"""


@pytest.fixture(autouse=True)
def deployed(node: MailNode) -> Iterator[None]:
    """Yield with the domain under its former name."""
    before = tree(node)
    deploy(node)
    yield
    for domain in (FORMER, NEW):
        done(node.step("domain_absent", LATE, domain=domain))
    assert snapshot.diff(before, tree(node)) == []


def rename(node: MailNode, service: int = LATE, *, check: bool = False, **changes: object) -> RunResult:
    return node.step("domain_renamed", service, check=check, **({"domain": NEW, "former": FORMER} | changes))


def test_everything_goes_by_the_new_name(node: MailNode) -> None:
    kept = mail.subjects(node.address, f"info@{FORMER}", PASSWORD)
    before = tree(node)
    assert done(rename(node, check=True)).outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(node)) == []
    with mail.mailbox(node.address, f"info@{FORMER}", PASSWORD) as box:
        assert done(rename(node)).outcome is Outcome.CHANGED
        with pytest.raises((OSError, type(box).abort)):
            box.noop()
    assert mail.subjects(node.address, f"info@{NEW}", PASSWORD) == kept
    mail.deliver(node.address, sent := mail.message(STRANGER, f"all@{NEW}"))
    with mail.mailbox(node.address, f"info@{NEW}", PASSWORD) as box:
        mail.fetch(box, sent["Subject"])
    assert mail.answer(node.address, f"info@{FORMER}")[0] == 554
    assert not mail.may_log_in(node.address6, f"info@{FORMER}", PASSWORD)
    keys = node.root("cat", "/var/lib/tenantry/dkim/selectors.map")
    assert FORMER not in keys and NEW not in keys
    for check in (True, False):
        assert done(rename(node, check=check)).outcome is Outcome.OK
    for result in (
        node.domain(LATE, domain=NEW),
        node.step("mailbox_present", LATE, **(BOX | {"domain": NEW})),
        node.alias("all", f"info@{NEW}", service=LATE, domain=NEW),
    ):
        assert done(result).outcome is Outcome.OK
    done(node.step("dkim_present", LATE, domain=NEW, selector="t1", bits=2048))
    done(node.step("domain_absent", LATE, domain=FORMER))
    assert mail.may_log_in(node.address, f"info@{NEW}", PASSWORD)


def test_a_run_that_died_between_table_and_folder_is_ended_by_the_next(node: MailNode) -> None:
    done(rename(node))
    node.python(HALF)
    node.root("mv", f"/var/vmail/{NEW}", f"/var/vmail/{FORMER}")
    assert not mail.may_log_in(node.address6, f"info@{NEW}", PASSWORD)
    assert mail.answer(node.address, f"info@{NEW}")[0] == 450
    waiting = mail.message(STRANGER, f"info@{NEW}")
    node.sendmail(f"root@{NODE}.lab.test", f"info@{NEW}", waiting)
    mail.until(lambda: "deferred" in [one["queue_name"] for one in node.queue()], "the message does not wait")
    node.root("test", "!", "-e", f"/var/vmail/{NEW}")
    assert done(rename(node, check=True)).outcome is Outcome.CHANGED
    assert done(rename(node)).outcome is Outcome.CHANGED
    node.root("postqueue", "-f")
    with mail.mailbox(node.address, f"info@{NEW}", PASSWORD) as box:
        mail.fetch(box, waiting["Subject"])
    assert done(rename(node)).outcome is Outcome.OK


def test_what_lies_under_the_new_name_already_is_not_shown_to_anybody(node: MailNode) -> None:
    node.root("install", "-d", "-o", "vmail", f"/var/vmail/{NEW}/info/Maildir/new")
    node.root("sh", "-c", f"printf 'Subject: strange\\n\\nx' > /var/vmail/{NEW}/info/Maildir/new/1.strange")
    done(rename(node))
    assert "strange" not in mail.subjects(node.address, f"info@{NEW}", PASSWORD)


def test_a_suspended_domain_stays_suspended(node: MailNode) -> None:
    done(node.step("account_suspended", LATE, policy="defer"))
    done(rename(node))
    assert mail.answer(node.address, f"info@{NEW}")[0] == 450
    assert not mail.may_log_in(node.address6, f"info@{NEW}", PASSWORD)
    done(node.step("account_active", LATE))
    assert mail.may_log_in(node.address, f"info@{NEW}", PASSWORD)


def test_names_that_are_taken_missing_or_others_are_refused(node: MailNode) -> None:
    before = tree(node)
    for result, reason in (
        (rename(node, domain="neighbour.example"), "conflict"),
        (rename(node, NEIGHBOUR), "conflict"),
        (rename(node, domain=f"{NODE}.lab.test"), "invalid"),
        (rename(node, domain=FORMER), "invalid"),
        (rename(node, former="never-ordered.example"), "invalid"),
        (rename(node, OWN, domain="shop.example", former=FORMER), None),
    ):
        if reason is None:  # renamed long ago, and the former name is another owner's now
            assert done(result).outcome is Outcome.OK
        else:
            assert (result.outcome, result.reason) == (Outcome.INVALID, reason), result
    assert snapshot.diff(before, tree(node)) == []
