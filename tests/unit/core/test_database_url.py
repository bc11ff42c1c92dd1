"""The parts of TENANTRY_DATABASE_URL for MariaDB."""

from __future__ import annotations

import ssl

import pytest

from orchestrator.config.database_url import read
from orchestrator.core.errors import InvalidInput


def test_a_url_is_read_and_its_password_is_not_shown() -> None:
    found = read("mysql://us%40er:p%3Ass@db.example:3307/tenantry?ssl_ca=/etc/ca.pem")
    assert (found.host, found.port, found.user, found.name) == ("db.example", 3307, "us@er", "tenantry")
    assert (found.password, found.ssl_ca) == ("p:ss", "/etc/ca.pem")
    assert "p:ss" not in repr(found)


def test_tls_is_off_unless_it_is_asked_for_and_then_checks_everything() -> None:
    assert read("mysql://u:p@127.0.0.1/d").context() is None
    context = read("mysql://u:p@db.example/d?ssl_ca=system").context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("url", "is_without"),
    [
        ("mysql://u:p@127.0.0.1/d", True),
        ("mysql://u:p@localhost/d", True),
        ("mysql://u:p@localhost/d?ssl_ca=system", False),
        ("mysql://u:p@db.example/d", False),
        ("mysql://u:p@127.0.0.1.example/d", False),
    ],
)
def test_only_a_database_on_this_machine_goes_without_tls(url: str, is_without: bool) -> None:
    assert read(url).is_without_tls is is_without


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://u:canary@/d", "no host"),
        ("mysql://u:canary@h", "no database"),
        ("mysql://u:canary@h:port/d", "cannot be read"),
        ("mysql://u:canary@h/d?ssl=1", "unknown option 'ssl'"),
        ("mysql://u:canary@h/d?ssl_ca=", "empty ssl_ca"),
    ],
)
def test_a_bad_one_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        read(url)
    assert "canary" not in str(refused.value)


def test_roots_that_cannot_be_read_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"/nowhere/ca\.pem"):
        read("mysql://u:p@h/d?ssl_ca=/nowhere/ca.pem").context()
