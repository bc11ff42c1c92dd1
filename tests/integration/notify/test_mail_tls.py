"""Mail over STARTTLS with a login: nothing in clear before it, no other server believed, no password in a row."""

from __future__ import annotations

import base64
from dataclasses import replace
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from orchestrator.config.channels import Channels, from_environment
from orchestrator.core.errors import InvalidInput
from orchestrator.models.notice import Delivery
from orchestrator.notify.outbox import Outbox
from orchestrator.store import fleet
from tests.integration.notify.conftest import tell
from tests.support import smtp_tls
from tests.support.certificates import Authority

SECONDS = 5.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the roots, those of another CA, and a certificate for localhost."""
    folder = tmp_path_factory.mktemp("smtp")
    one, two = Authority(), Authority()
    (folder / "roots.pem").write_bytes(one.root.public_bytes(Encoding.PEM))
    (folder / "other.pem").write_bytes(two.root.public_bytes(Encoding.PEM))
    issued = one.issue("localhost")
    (folder / "cert.pem").write_text(issued.certificate)
    (folder / "key.pem").write_text(issued.private_key)
    return folder


def channels(server: Any, files: Path) -> Channels:
    """Return the way out to a server, as a URL of another machine would be read."""
    values = {"smtp_user": smtp_tls.LOGIN, "smtp_password": smtp_tls.PASSWORD, "smtp_ca_file": str(files / "roots.pem")}
    place = {"smtp_host": "localhost", "smtp_port": server.server_address[1], "mail_from": "tenantry@provider.example"}
    return Channels(**place, **values, smtp_tls="starttls")


def deliver(ways: Channels) -> Delivery:
    """Tell something and return what became of it."""
    fleet.set_knob("notices.mail_to", "noc@provider.example", "test")
    tell("server_unreachable", "server:web1", server="web1")
    Outbox(ways, SECONDS).drain()
    row: Delivery = Delivery.get()
    return row


def test_a_mail_goes_over_tls_after_a_login(db: str, files: Path) -> None:
    with smtp_tls.serving(files / "cert.pem", files / "key.pem") as server:
        assert deliver(channels(server, files)).state == "sent"
        (text,) = server.messages
        before = [line for is_safe, line in server.commands if not is_safe]
    assert message_from_string(text)["To"] == "noc@provider.example"
    assert [line.split()[0].upper() for line in before] == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("fault", ["another CA", "no STARTTLS"])
def test_nothing_is_said_to_a_server_that_is_not_the_right_one(fault: str, db: str, files: Path) -> None:
    with smtp_tls.serving(
        files / "cert.pem", files / "key.pem", "" if fault == "no STARTTLS" else "STARTTLS"
    ) as server:
        more = {"smtp_ca_file": str(files / "other.pem")} if fault == "another CA" else {}
        row = deliver(replace(channels(server, files), **more))
        said = " ".join(line for _, line in server.commands)
    assert (row.state, row.attempts, server.messages) == ("pending", 1, [])
    assert ("certificate verify failed" in row.error) == (fault == "another CA"), row.error
    assert "AUTH" not in said and "MAIL" not in said


@pytest.mark.parametrize("wrong", ["canary-wrong", "canary-wrong-ä"])
def test_a_refused_login_is_told_without_the_password(wrong: str, db: str, files: Path) -> None:
    with smtp_tls.serving(files / "cert.pem", files / "key.pem") as server:
        row = deliver(replace(channels(server, files), smtp_password=wrong))
    assert row.state == "pending"
    assert "refuses the login (535)" in row.error and "TENANTRY_SMTP_URL" in row.error
    coded = base64.b64encode(f"\0{smtp_tls.LOGIN}\0{wrong}".encode()).decode()
    assert wrong not in row.error and coded[:20] not in row.error


def test_a_url_of_another_machine_means_starttls_and_roots_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    env = {"TENANTRY_SMTP_URL": "smtp://a:b%40c@mail.example", "TENANTRY_MAIL_FROM": "t@p.example"}
    found = from_environment(env)
    assert (found.smtp_tls, found.smtp_port, found.smtp_password) == ("starttls", 587, "b@c")
    assert "b@c" not in repr(found)
    with pytest.raises(InvalidInput, match="TENANTRY_SMTP_CA_FILE"):
        from_environment(env | {"TENANTRY_SMTP_CA_FILE": str(tmp_path / "none.pem")})
