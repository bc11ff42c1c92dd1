"""A service as the world sees it: nothing here knows the database, the queue or a playbook."""

from __future__ import annotations

import email
import email.policy
import http.client
import imaplib
import re
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable
from email.message import EmailMessage
from email.utils import make_msgid

import dkim

_SECONDS = 10.0
_PATIENCE_SECONDS = 30.0
WELCOME = "This site has just been set up"  # of the page that a new account begins with


class Unproven(Exception):
    """What was expected from outside is not there."""


def page(address: str, name: str, *, tls: bool = False, path: str = "/") -> tuple[int, str]:
    """Ask the machine at ``address`` for the site ``name`` and return (status, body); the certificate is not judged."""
    connection = _TlsTo(address, name) if tls else http.client.HTTPConnection(address, 80, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": name})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


class _TlsTo(http.client.HTTPSConnection):
    """HTTPS to an address, with the site's name in SNI."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(address, 443, timeout=_SECONDS, context=_any_certificate())
        self._name = name

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=_SECONDS)
        self.sock = self._context.wrap_socket(plain, server_hostname=self._name)  # type: ignore[attr-defined]


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the roots, whose loading costs more than the page
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a placeholder signed by itself, until there is a real one
    return context


def certificate_names(address: str, name: str, port: int = 443) -> str:
    """Return the subject of the certificate that is shown for ``name``."""
    argv = ["openssl", "s_client", "-connect", f"{address}:{port}", "-servername", name]
    shown = subprocess.run(argv, input=b"", capture_output=True, timeout=30, check=False).stdout
    found = re.search(rb"^subject=(.*)$", shown, re.MULTILINE)
    return found[1].decode() if found else ""


def dig(server: str, name: str, kind: str) -> list[str]:
    """Return the answers of one DNS server, sorted; Unproven when it does not answer with authority."""
    argv = ["dig", f"@{server}", "+norecurse", "+tries=2", "+time=3", "+noall", "+comments", "+answer", name, kind]
    text = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout
    if "status: NOERROR" not in text or not re.search(r"flags: [a-z ]*\baa\b", text):
        raise Unproven(f"{server} gives no authoritative answer for {name} {kind}: {' '.join(text.split())[:200]}")
    rows = [line.split(None, 4) for line in text.splitlines() if line and not line.startswith(";")]
    return sorted(f"{row[1]} {row[3]} {row[4]}" for row in rows)


def zone(server: str, domain: str, names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return what one server answers for several (label, type) of a zone; the label @ is the zone itself."""
    questions = [(domain if label == "@" else f"{label}.{domain}", kind) for label, kind in names]
    return {f"{name} {kind}": dig(server, name, kind) for name, kind in questions}


DEFAULT_NAMES = (
    *(("@", kind) for kind in ("SOA", "NS", "A", "AAAA", "MX", "TXT")),
    *((host, kind) for host in ("www", "mail", "webmail", "autoconfig", "autodiscover") for kind in ("A", "AAAA")),
    *((host, "TXT") for host in ("tenantry1._domainkey", "_dmarc", "_mta-sts", "_smtp._tls")),
)


def send(address: str, login: str, password: str, recipient: str, text: str) -> str:
    """Submit a message with the mailbox's login (RFC 6409, STARTTLS) and return its Message-ID."""
    message = EmailMessage()
    domain = login.partition("@")[2]
    message["From"], message["To"], message["Subject"] = login, recipient, "A message to prove that mail works"
    message["Message-ID"] = identity = make_msgid(domain=domain)
    message["Date"] = email.utils.formatdate()
    message.set_content(text)
    with smtplib.SMTP(address, 587, timeout=_SECONDS) as connection:
        connection.starttls(context=_any_certificate())
        connection.login(login, password)
        connection.send_message(message)
    return str(identity)


def read(address: str, login: str, password: str, identity: str) -> bytes:
    """Return a message by its Message-ID as IMAP gives it; Unproven when it does not arrive in time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with imaplib.IMAP4_SSL(address, ssl_context=_any_certificate(), timeout=_SECONDS) as connection:
        connection.login(login, password)
        while time.monotonic() < deadline:
            connection.select("INBOX")
            _, found = connection.search(None, "HEADER", "Message-ID", identity)
            if found and found[0]:
                _, parts = connection.fetch(found[0].split()[0].decode(), "(RFC822)")
                part = parts[0]
                if isinstance(part, tuple):
                    return part[1]
            time.sleep(0.2)
    raise Unproven(f"the message {identity} did not arrive in {login} within {_PATIENCE_SECONDS:g} s")


def signature(raw: bytes, dns_server: str) -> str:
    """Verify the message's DKIM signature with the record that ``dns_server`` publishes; returns its selector and domain."""

    def lookup(name: bytes | str, timeout: int = 5) -> bytes | None:
        del timeout
        text = name.decode() if isinstance(name, bytes) else name
        answers = dig(dns_server, text.rstrip("."), "TXT")
        return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', answers[0])).encode() if answers else None

    header = email.message_from_bytes(raw, policy=email.policy.default).get("DKIM-Signature")
    if header is None:
        raise Unproven("the message carries no DKIM signature")
    if not dkim.verify(raw, dnsfunc=lookup):
        raise Unproven("the message's DKIM signature does not match the published key")
    tags = dict(tag.strip().split("=", 1) for tag in str(header).split(";") if "=" in tag)
    return f"{tags['s'].strip()} {tags['d'].strip()}"
