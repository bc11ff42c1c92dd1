"""A suspended service: nobody logs in or sends, mail waits, is delivered or refused, and everything comes back as it was."""

from __future__ import annotations

import imaplib
import smtplib
from collections.abc import Callable, Iterator

import pytest

from lab import snapshot
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import HASH, NODE, PASSWORD, MailNode, done
from tests.acceptance.mail.test_steps import tree
from tests.support import mail
from tests.support.mail import until

pytestmark = pytest.mark.lab

INFO, SALES, THEIRS = "info@shop.example", "sales@shop.example", "info@neighbour.example"
STRANGER, ROOT = f"someone@{mail.CLIENT}", f"root@{NODE}.lab.test"


@pytest.fixture(autouse=True)
def awake(node: MailNode) -> Iterator[None]:
    """Leave the service as it was."""
    done(node.alias("team", INFO, THEIRS))
    yield
    done(node.step("account_active"))
    done(node.step("alias_absent", domain="shop.example", local_part="team"))
    done(node.mailbox("sales"))


def suspend(node: MailNode, policy: str = "defer", **more: object) -> Outcome:
    return done(node.step("account_suspended", policy=policy, **more)).outcome  # type: ignore[arg-type]


def refused(connection: imaplib.IMAP4) -> bool:
    try:
        connection.noop()
    except (imaplib.IMAP4.abort, OSError):
        return True
    return False


def waiting(node: MailNode, *recipients: str) -> Callable[[], bool]:
    """Return the test whether mail for each of the recipients is deferred."""

    def there() -> bool:
        found = [one["address"] for row in node.queue() if row["queue_name"] == "deferred" for one in row["recipients"]]  # type: ignore[attr-defined]
        return set(recipients) <= set(found)

    return there


def test_nobody_logs_in_or_sends_and_the_neighbour_notices_nothing(node: MailNode) -> None:
    with (
        mail.mailbox(node.address, INFO, PASSWORD) as box,
        mail.mailbox(node.address, THEIRS, PASSWORD) as neighbour,
        mail.submission(node.address, INFO, PASSWORD) as open_session,
    ):
        assert suspend(node) is Outcome.CHANGED
        until(lambda: refused(box), "the session was not ended")
        assert not refused(neighbour)
        open_session.mail(INFO)
        assert open_session.rcpt(THEIRS)[0] == 553
    assert not mail.may_log_in(node.address6, INFO, PASSWORD)
    with pytest.raises(smtplib.SMTPAuthenticationError), mail.submission(node.address6, INFO, PASSWORD):
        pass
    assert mail.may_log_in(node.address, THEIRS, PASSWORD)
    assert mail.answer(node.address, THEIRS)[0] == 250
    for check in (True, False):
        assert suspend(node, check=check) is Outcome.OK


def test_mail_is_deferred_and_arrives_after_the_suspension(node: MailNode) -> None:
    assert suspend(node, check=True) is Outcome.CHANGED
    assert mail.answer(node.address, INFO)[0] == 250
    suspend(node)
    for address in (INFO, "info+tag@shop.example", "team@shop.example"):
        code, text = mail.answer(node.address, address)
        assert (code, "4.2.1" in text) == (450, True), (address, text)
    assert mail.answer(node.address, "nobody@shop.example")[0] == 550
    stranger, program, colleague, forward = (mail.message(STRANGER, INFO) for _ in range(4))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.deliver(node.address, stranger)
    node.sendmail(ROOT, INFO, program)
    with mail.submission(node.address, THEIRS, PASSWORD) as connection:
        connection.send_message(colleague, from_addr=THEIRS, to_addrs=["info+a@shop.example"])
        connection.send_message(forward, from_addr=THEIRS, to_addrs=["team+b@shop.example"])
    places = (INFO, "info+a@shop.example", "team=shop.example+b@suspended.invalid")
    until(waiting(node, *places), "mail does not wait")
    node.root("postqueue", "-f")
    until(waiting(node, *places), "mail does not wait any more")

    assert done(node.step("account_active")).outcome is Outcome.CHANGED
    mail.deliver(node.address, stranger)
    with mail.mailbox(node.address, INFO, PASSWORD) as box:
        for sent in (program, colleague, forward, stranger):
            mail.fetch(box, sent["Subject"])
    with mail.mailbox(node.address, THEIRS, PASSWORD) as box:
        mail.fetch(box, forward["Subject"])
    received = mail.subjects(node.address, INFO, PASSWORD)
    assert [received.count(sent["Subject"]) for sent in (program, colleague, forward, stranger)] == [1, 1, 1, 1]
    until(lambda: node.queue() == [], "something is left in the queue")
    for check in (True, False):
        assert done(node.step("account_active", check=check)).outcome is Outcome.OK


def test_what_was_switched_off_before_is_switched_off_afterwards_and_no_object_changes(node: MailNode) -> None:
    done(node.mailbox("sales", enabled=False))
    assert not mail.may_log_in(node.address6, SALES, PASSWORD)
    before = tree(node)
    suspend(node)
    lines = snapshot.diff(before, tree(node))
    assert len(lines) == 2, lines
    assert all(line.startswith("+ ") and "suspensions" in line for line in lines)
    done(node.step("account_active"))
    assert snapshot.diff(before, tree(node)) == []
    assert not mail.may_log_in(node.address6, SALES, PASSWORD)
    assert mail.may_log_in(node.address, INFO, PASSWORD)


def test_the_other_policies_and_a_change_of_the_policy(node: MailNode) -> None:
    suspend(node)
    early, kept = mail.message(ROOT, INFO), mail.message(ROOT, INFO)
    node.sendmail(ROOT, "team@shop.example", early)
    until(waiting(node, "team=shop.example@suspended.invalid"), "mail does not wait")
    assert suspend(node, "accept") is Outcome.CHANGED
    assert not mail.may_log_in(node.address6, INFO, PASSWORD)
    mail.deliver(node.address, kept, sender=STRANGER, recipient=INFO)
    until(lambda: node.queue() == [], "what waited was not delivered")

    assert suspend(node, "reject") is Outcome.CHANGED
    for address in (INFO, "team@shop.example"):
        code, text = mail.answer(node.address, address)
        assert (code, "5.2.1" in text) == (550, True), text
    assert mail.answer(node.address, "nobody@shop.example")[0] == 550
    returned = mail.message(THEIRS, INFO)
    with mail.submission(node.address, THEIRS, PASSWORD) as connection:
        connection.send_message(returned)
    with mail.mailbox(node.address, THEIRS, PASSWORD) as box:
        mail.fetch(box, "Undelivered Mail Returned to Sender")

    done(node.step("account_active"))
    received = mail.subjects(node.address, INFO, PASSWORD)
    assert [received.count(one["Subject"]) for one in (early, kept, returned)] == [1, 1, 0]


def test_what_has_not_left_yet_is_held(node: MailNode) -> None:
    sent = mail.message(INFO, f"late@{mail.CLIENT}")
    node.sendmail(INFO, f"late@{mail.CLIENT}", sent)

    def where() -> list[object]:
        return [row["queue_name"] for row in node.queue() if row["sender"] == INFO]

    try:
        until(lambda: where() == ["deferred"], "the message left, or was never taken")
        suspend(node)
        assert where() == ["hold"]
        assert suspend(node) is Outcome.OK
        done(node.step("account_active"))
        assert where() != ["hold"]
    finally:
        node.root("sh", "-c", 'postqueue -j | grep -o \'"queue_id": "[^"]*\' | cut -d\'"\' -f4 | postsuper -d -')


def test_a_suspension_comes_before_the_service_and_keeps_what_comes_later_asleep(node: MailNode) -> None:
    late = 2009
    new = {"domain": "late.example"}
    done(node.step("account_suspended", late, policy="defer"))
    done(node.domain(late, **new))
    for _ in range(2):
        result = done(node.steps.run(NODE, "mail.mailbox_present", box("late.example"), service=late))
    assert result.outcome is Outcome.OK
    done(node.alias("all", "info@late.example", service=late, **new))
    assert not mail.may_log_in(node.address6, "info@late.example", PASSWORD)
    assert mail.answer(node.address, "all@late.example")[0] == 450
    done(node.step("account_suspended", late, policy="reject"))
    assert done(node.alias("all", "info@late.example", service=late, **new)).outcome is Outcome.OK
    done(node.step("account_active", late))
    assert mail.may_log_in(node.address, "info@late.example", PASSWORD)
    done(node.step("domain_absent", late, **new))


def box(domain: str) -> dict[str, object]:
    return {"domain": domain, "local_part": "info", "password_hash": HASH, "quota_mb": 8, "display_name": None}


@pytest.mark.parametrize("policy", ["discard", "", "defer\n"])
def test_another_policy_is_refused(node: MailNode, policy: str) -> None:
    result = node.step("account_suspended", check=True, policy=policy)
    assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid"), result


def test_without_an_owner_nothing_is_suspended(node: MailNode) -> None:
    result = node.step("account_suspended", None, policy="defer")
    assert not result.outcome.is_success
    assert node.query("routing", "SELECT owner FROM suspensions") == []
