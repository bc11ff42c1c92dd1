"""Notices by SMTP, encrypted unless the server is on this machine."""

from __future__ import annotations

import base64
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from orchestrator.config.channels import Channels
from orchestrator.core.errors import Unavailable
from orchestrator.notify.http import Refused
from orchestrator.plan.notices import Message


def deliver(channels: Channels, target: str, message: Message, now: datetime, seconds: float = 20.0) -> None:
    """Hand the notice to the mail server; Refused for this address, Unavailable for all.

    The Message-ID is the same in every attempt.
    """
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = channels.mail_from, target, message.title
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{message.reference}@{channels.mail_from.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notice answers it
        mail.set_content(message.text)
        _send(channels, mail, seconds)
    except smtplib.SMTPAuthenticationError as error:  # its text may repeat the login
        raise Unavailable(f"the mail server refuses the login ({error.smtp_code}); check TENANTRY_SMTP_URL") from None
    except (smtplib.SMTPRecipientsRefused, ValueError) as error:
        raise Refused(f"the mail to {target[:254]!r} was refused ({error})") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server did not take it ({type(error).__name__}: {error})") from error


def _send(channels: Channels, mail: EmailMessage, seconds: float) -> None:
    context = ssl.create_default_context(cafile=channels.smtp_ca_file or None)
    place = (channels.smtp_host, channels.smtp_port)
    implicit = channels.smtp_tls == "implicit"
    server = (
        smtplib.SMTP_SSL(*place, timeout=seconds, context=context)
        if implicit
        else smtplib.SMTP(*place, timeout=seconds)
    )
    with server:
        if channels.smtp_tls == "starttls":
            server.starttls(context=context)
        if channels.smtp_user:
            _log_in(server, channels.smtp_user, channels.smtp_password)
        server.send_message(mail)


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    """Log in; with characters beyond ASCII by PLAIN in UTF-8 (RFC 4616), which smtplib does not do."""
    if (user + password).isascii():
        server.login(user, password)
        return
    server.ehlo_or_helo_if_needed()
    login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, _ = server.docmd("AUTH", f"PLAIN {login}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, b"")
