"""A stranger's mail server and a customer's mail program, as small as a test needs them."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import bcrypt
import dkim

CLIENT = "ext9.lab.test"  # how we greet: a name that resolves, as that of a real mail server
ARRIVAL_SECONDS = 30.0


def unverified() -> ssl.SSLContext:
    """Return TLS without a check of the certificate, which is a placeholder at this stage."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def password_hash(password: str) -> str:
    """Return a hash as a job carries it, with the lowest cost."""
    return "{BLF-CRYPT}" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()


def message(sender: str, recipient: str, body: str = "Hello") -> EmailMessage:
    """Return a message with a subject that nobody else uses."""
    built = EmailMessage(policy=policy.SMTP)
    built["From"], built["To"] = sender, recipient
    built["Subject"] = f"Test {uuid.uuid4().hex}"
    built["Message-ID"] = f"<{uuid.uuid4().hex}@{sender.partition('@')[2]}>"
    built["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    built.set_content(body)
    return built


@contextlib.contextmanager
def submission(host: str, login: str, password: str, port: int = 587) -> Iterator[smtplib.SMTP]:
    """Yield a connection that is logged in to submit mail."""
    if port == 465:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, CLIENT, timeout=30, context=unverified())
    else:
        connection = smtplib.SMTP(host, port, CLIENT, timeout=30)
        connection.starttls(context=unverified())
    with connection:
        connection.login(login, password)
        yield connection


def deliver(host: str, built: EmailMessage, sender: str | None = None, recipient: str | None = None) -> None:
    """Hand a message to port 25, as another server does. smtplib's exceptions say how it was refused."""
    with smtplib.SMTP(host, 25, CLIENT, timeout=30) as connection:
        connection.send_message(built, from_addr=sender, to_addrs=[recipient] if recipient else None)


def deliver_as_servers_do(host: str, built: EmailMessage, seconds: float = 60.0) -> None:
    """Hand a message to port 25, again and again while it is put off (RFC 5321 section 4.5.4.1)."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            deliver(host, built)
        except smtplib.SMTPResponseException as refused:
            if not 400 <= refused.smtp_code < 500 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def answer(host: str, recipient: str, sender: str = f"someone@{CLIENT}") -> tuple[int, str]:
    """Return what port 25 says to a recipient."""
    with smtplib.SMTP(host, 25, CLIENT, timeout=30) as connection:
        connection.ehlo()
        connection.mail(sender)
        code, text = connection.rcpt(recipient)
    return code, text.decode()


@contextlib.contextmanager
def mailbox(host: str, login: str, password: str) -> Iterator[imaplib.IMAP4]:
    """Yield a logged-in IMAP connection over TLS."""
    connection = imaplib.IMAP4_SSL(host, 993, ssl_context=unverified(), timeout=30)
    try:
        connection.login(login, password)
        yield connection
    finally:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            connection.logout()


def may_log_in(host: str, login: str, password: str) -> bool:
    """Whether IMAP lets this login in."""
    try:
        with mailbox(host, login, password):
            return True
    except imaplib.IMAP4.error:
        return False


def fetch(connection: imaplib.IMAP4, subject: str, folder: str = "INBOX", seconds: float = ARRIVAL_SECONDS) -> bytes:
    """Return the message with this subject byte for byte; AssertionError when it does not arrive in time."""
    deadline = time.monotonic() + seconds
    while True:
        connection.select(folder, readonly=True)
        numbers = connection.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        if numbers:
            return bytes(connection.fetch(numbers[0].decode(), "(BODY.PEEK[])")[1][0][1])
        assert time.monotonic() < deadline, f"no message {subject!r} in {folder}"
        time.sleep(0.1)


def subjects(host: str, login: str, password: str, folder: str = "INBOX") -> list[str]:
    """Return the subjects of a folder."""
    with mailbox(host, login, password) as connection:
        connection.select(folder, readonly=True)
        numbers = connection.search(None, "ALL")[1][0].split()
        raws = [bytes(connection.fetch(one.decode(), "(BODY.PEEK[HEADER])")[1][0][1]) for one in numbers]
    return [str(headers(raw)["Subject"]) for raw in raws]


def until(condition: Callable[[], bool], complaint: str, seconds: float = ARRIVAL_SECONDS) -> None:
    """Wait for a condition; AssertionError when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)


def headers(raw: bytes) -> EmailMessage:
    """Return a fetched message for a look at its headers."""
    return message_from_bytes(raw, policy=policy.default)  # type: ignore[return-value]


def is_signed(raw: bytes, domain: str, selector: str, public_key: str) -> bool:
    """Whether the message bears a valid signature by this key, found under the name its record would have."""
    wanted = f"{selector}._domainkey.{domain}.".encode()

    def record(name: bytes, timeout: int = 5) -> bytes | None:
        return f"v=DKIM1; k=rsa; p={public_key}".encode() if name == wanted else None

    return bool(dkim.verify(raw, dnsfunc=record))
