"""The grammar of databases, SFTP logins and cron jobs, and the texts that are made of them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import (
    web_keys,
    web_mariadb,
    web_names,
    web_timer_units,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed
from ansible_collections.tenantry.hosting.plugins.module_utils.web_timer_units import Job

HASH = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
BCRYPT = "$2b$10$" + "a" * 53
YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"


def key(*parts: bytes, kind: str = "ssh-ed25519", comment: str = "") -> str:
    """Return a public key's line made of these strings (RFC 4253)."""
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return f"{kind} {base64.b64encode(blob).decode()}{comment}"


ED25519 = key(b"ssh-ed25519", b"k" * 32)
RSA = [key(b"ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * size, kind="ssh-rsa") for size in (256, 128)]


def test_names_begin_with_the_accounts() -> None:
    assert web_names.database("w1001_shop_2", "w1001") == "w1001_shop_2"
    assert web_names.login("w1001_up", "w1001") == "w1001_up"
    assert len(web_names.database("w1001_" + "a" * 58, "w1001")) == 64
    assert len(web_names.login("w1001_" + "a" * 26, "w1001")) == 32


@pytest.mark.parametrize(
    "value",
    ["w1001", "w1001_", "w1001__a", "w1002_a", "w10011_a", "w1001_A", "w1001_a b", "w1001_a%", "w1001_a`", "w1001_a\n"],
)
@pytest.mark.parametrize("check", [web_names.database, web_names.login])
def test_other_names_are_refused(check: Callable[[str, str], str], value: str) -> None:
    with pytest.raises(StepFailed):
        check(value, "w1001")


def test_a_name_is_no_pattern() -> None:
    assert web_mariadb.pattern("w1001_a_b") == "w1001\\_a\\_b"
    assert web_mariadb.quoted("a'b\\c") == "'a''b\\\\c'"


def test_a_users_state_shows_no_hash() -> None:
    wanted = web_mariadb.wanted("w1001_a", "localhost", HASH, True)
    assert wanted[0].endswith("ACCOUNT LOCK")
    assert HASH in wanted[0]
    assert HASH not in web_mariadb.shown(wanted)
    assert wanted == web_mariadb.normal(list(reversed(wanted)))


@pytest.mark.parametrize("value", ["", "secret", HASH[:-1], HASH + "0", HASH + "\n", HASH.replace("*", "")])
def test_other_hashes_of_databases_are_refused(value: str) -> None:
    with pytest.raises(StepFailed) as failure:
        web_names.database_hash(value)
    assert "secret" not in str(failure.value)


def test_hashes_of_logins() -> None:
    assert web_keys.password_hash(BCRYPT) == BCRYPT
    assert web_keys.password_hash(YESCRYPT) == YESCRYPT
    assert [web_keys.password_hash(value) for value in (None, "")] == ["*", "*"]
    assert web_names.database_hash(HASH.lower()) == HASH


@pytest.mark.parametrize(
    "value", ["secret", "!", "$1$a$b", "$2b$16$" + "a" * 53, BCRYPT + ":0", BCRYPT + "\nroot:x", "$2y$10$" + "a" * 53]
)
def test_other_hashes_of_logins_are_refused(value: str) -> None:
    with pytest.raises(StepFailed) as failure:
        web_keys.password_hash(value)
    assert "secret" not in str(failure.value)


def test_public_keys_lose_their_comments_and_doubles() -> None:
    found = web_keys.public_keys([f"{ED25519} me@laptop", ED25519, f"{RSA[0]} two words"])
    assert found == [ED25519, RSA[0]]


@pytest.mark.parametrize(
    "value",
    [
        "",
        RSA[1],
        f'command="id" {ED25519}',
        f"restrict {ED25519}",
        f"{ED25519}\n{ED25519}",
        ED25519.replace("ssh-ed25519", "ssh-dss"),
        ED25519.replace("ssh-ed25519", "ssh-rsa"),
        key(b"ssh-rsa", b"k" * 32),
        ED25519[:-8],
        "ssh-ed25519 " + "!" * 60,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_is_no_public_key_is_refused(value: str) -> None:
    with pytest.raises(StepFailed):
        web_keys.public_keys([value])


def test_more_keys_than_sshd_should_try_are_refused() -> None:
    with pytest.raises(StepFailed):
        web_keys.public_keys([ED25519] * 51)


@pytest.mark.parametrize(
    "value", ["/etc", "..", "www/..", "www//a", ".ssh", "www/.git", "", "a" * 65, "www/a b", "w\n"]
)
def test_other_folders_are_refused(value: str) -> None:
    with pytest.raises(StepFailed):
        web_names.folder(value)


def test_a_job_is_named_and_is_one_line() -> None:
    assert web_names.folder("www/blog") == "www/blog"
    assert web_names.job("send-mails-2") == "send-mails-2"
    assert web_names.command("php x.php >/dev/null 2>&1 # 100%") == "php x.php >/dev/null 2>&1 # 100%"
    for name in ("", "A", "a_b", "a.b", "a/b", "a" * 33, "a\n"):
        with pytest.raises(StepFailed):
            web_names.job(name)
    for command in ("", "  ", "a\nb", "a\rb", "a\0b", "a\u2028b", "x" * 4001):
        with pytest.raises(StepFailed):
            web_names.command(command)


def test_a_units_text_holds_no_word_of_the_command() -> None:
    job = Job("w1001", "mails", ["*-*-13 00:00:00", "Fri *-*-* 00:00:00"], "echo %n $HOME")
    units = web_timer_units.timer(job) + web_timer_units.service(job)
    assert "echo" not in units
    assert "OnCalendar=*-*-13 00:00:00\nOnCalendar=Fri *-*-* 00:00:00\n" in units
    assert units.count("ConditionPathExists=!/etc/tenantry/web/suspended/w1001.json\n") == 2
    assert "\nUser=w1001\n" in units and "{" not in units
