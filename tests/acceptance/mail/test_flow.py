"""Mail as people and other servers meet it."""

from __future__ import annotations

import base64
import imaplib
import smtplib

import pytest

from tests.acceptance.mail.conftest import NODE, PASSWORD, MailNode
from tests.support import mail

pytestmark = pytest.mark.lab

INFO, SALES, STRANGER = "info@shop.example", "sales@shop.example", f"someone@{mail.CLIENT}"
SPAM = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"  # what every filter refuses


@pytest.mark.parametrize("port", [587, 465])
def test_a_submitted_message_is_signed_and_read_over_imap(node: MailNode, port: int) -> None:
    sent = mail.message(INFO, "info@neighbour.example", "Grüße an alle")
    with mail.submission(node.address, INFO, PASSWORD, port) as connection:
        connection.send_message(sent)
    with mail.mailbox(node.address, "info@neighbour.example", PASSWORD) as box:
        raw = mail.fetch(box, sent["Subject"])
    assert mail.is_signed(raw, "shop.example", "t1", node.keys["shop.example"])
    assert not mail.is_signed(raw, "shop.example", "t1", node.keys["neighbour.example"])
    assert "Grüße an alle" in mail.headers(raw).get_content()


def test_mail_from_another_server_arrives_unsigned_by_us(node: MailNode) -> None:
    sent = mail.message(STRANGER, INFO)
    mail.deliver(node.address, sent)
    with mail.mailbox(node.address, INFO, PASSWORD) as box:
        assert b"DKIM-Signature" not in mail.fetch(box, sent["Subject"])


def test_a_forged_sender_from_outside_is_not_signed(node: MailNode) -> None:
    sent = mail.message(INFO, SALES)
    mail.deliver(node.address, sent, sender=STRANGER)
    with mail.mailbox(node.address, SALES, PASSWORD) as box:
        assert b"DKIM-Signature" not in mail.fetch(box, sent["Subject"])


def test_a_tag_leads_to_the_mailbox_before_it(node: MailNode) -> None:
    sent = mail.message(STRANGER, "info+list=7@shop.example")
    mail.deliver(node.address, sent)
    with mail.mailbox(node.address, INFO, PASSWORD) as box:
        assert "info+list=7@shop.example" in mail.headers(mail.fetch(box, sent["Subject"]))["Delivered-To"]


def test_a_password_is_never_asked_for_without_encryption(node: MailNode) -> None:
    with smtplib.SMTP(node.address, 587, mail.CLIENT, timeout=30) as connection:
        connection.ehlo()
        assert "auth" not in connection.esmtp_features
    with smtplib.SMTP(node.address, 25, mail.CLIENT, timeout=30) as connection:
        connection.starttls(context=mail.unverified())
        connection.ehlo()
        assert "auth" not in connection.esmtp_features
    with imaplib.IMAP4(node.address, 143, timeout=30) as plain:
        assert "LOGINDISABLED" in plain.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            plain.login(INFO, PASSWORD)


@pytest.mark.parametrize(
    ("recipient", "codes"),
    [
        ("victim@elsewhere.example", [554]),  # relay
        ("victim%elsewhere.example@shop.example", [550, 554]),
        ("nobody.here@shop.example", [550]),
        (f"nobody.here@{NODE}.lab.test", [550]),
        ("o'); DROP TABLE mailboxes; --@shop.example", [501]),
        ("x'or'1'='1@shop.example", [550]),
    ],
)
def test_who_is_not_here_gets_no_mail(node: MailNode, recipient: str, codes: list[int]) -> None:
    with smtplib.SMTP(node.address, 25, mail.CLIENT, timeout=30) as connection:
        connection.ehlo()
        assert connection.mail(STRANGER)[0] == 250
        answer = connection.docmd("RCPT", f"TO:<{recipient}>")
    assert answer[0] in codes, answer


def test_a_login_submits_in_its_own_name_only(node: MailNode) -> None:
    with mail.submission(node.address, INFO, PASSWORD) as connection:
        connection.mail("info@neighbour.example")
        code, text = connection.rcpt(SALES)
    assert (code, b"not owned" in text) == (553, True), text
    with smtplib.SMTP(node.address, 587, mail.CLIENT, timeout=30) as connection:
        connection.starttls(context=mail.unverified())
        connection.ehlo()
        assert connection.mail(INFO)[0] == 250
        assert connection.rcpt(SALES)[0] == 554


def test_a_neighbours_from_header_is_not_signed(node: MailNode) -> None:
    sent = mail.message("info@neighbour.example", SALES)
    with mail.submission(node.address, INFO, PASSWORD) as connection:
        connection.send_message(sent, from_addr=INFO)
    with mail.mailbox(node.address, SALES, PASSWORD) as box:
        assert b"DKIM-Signature" not in mail.fetch(box, sent["Subject"])


def test_spam_is_refused_and_what_looks_like_it_goes_to_junk(node: MailNode) -> None:
    with pytest.raises(smtplib.SMTPDataError):
        mail.deliver(node.address, mail.message(STRANGER, INFO, SPAM))
    sent = mail.message(STRANGER, INFO)
    del sent["Date"], sent["Message-ID"]
    with smtplib.SMTP(node.address, 25, "no-such-name.lab.test", timeout=30) as connection:
        connection.send_message(sent)
    with mail.mailbox(node.address, INFO, PASSWORD) as box:
        assert mail.headers(mail.fetch(box, sent["Subject"], "Junk"))["X-Spam"] == "Yes"


def test_a_full_mailbox_refuses_mail_and_the_domains_quota_is_the_bound(node: MailNode) -> None:
    assert node.mailbox("small", quota_mb=1).outcome.is_success
    address = "small@shop.example"
    with mail.mailbox(node.address, address, PASSWORD) as box:
        assert b"STORAGE 0 1024" in b"".join(box.getquotaroot("INBOX")[1][1])
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mail.deliver(node.address, mail.message(STRANGER, address, ("y" * 70 + "\n") * 22000))
    assert refused.value.recipients[address][0] == 552
    assert node.mailbox("small", quota_mb=1000).outcome.is_success
    with mail.mailbox(node.address, address, PASSWORD) as box:
        assert b"STORAGE 0 65536" in b"".join(box.getquotaroot("INBOX")[1][1])


def test_wrong_passwords_are_refused(node: MailNode) -> None:
    # Over IPv6: Dovecot lets an address wait that failed, and the other tests have theirs over IPv4. Submission first: Postfix
    # waits ten seconds for Dovecot, which after some failures takes longer, and then answers 454 instead of 535.
    with smtplib.SMTP(node.address6, 587, mail.CLIENT, timeout=30) as connection:
        connection.starttls(context=mail.unverified())
        connection.ehlo()
        login = base64.b64encode(f"\0{INFO}\0wrong".encode()).decode()
        assert connection.docmd("AUTH", f"PLAIN {login}")[0] == 535
    assert not mail.may_log_in(node.address6, INFO, PASSWORD + "x")
    assert not mail.may_log_in(node.address6, "nobody@shop.example", PASSWORD)
