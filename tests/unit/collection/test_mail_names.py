"""The grammar of the mail steps: whole values, nothing that could become configuration."""

from __future__ import annotations

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, mail_names
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

BCRYPT = "{BLF-CRYPT}$2b$10$" + "a" * 53
ARGON = "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$" + "a" * 22 + "$" + "b" * 43
HOSTILE = (
    "",
    "a\n",
    "a b",
    "a\0b",
    "../x",
    "a'b",
    'a"b',
    "a;b",
    "{{ 1 }}",
    "$(id)",
    "`id`",
    "ä",
    "a" * 300,
    "-a",
    "a-",
    "A",
)


@pytest.mark.parametrize(
    "value", ["shop.example", "a.b.c.test", "xn--bcher-kva.example", "1.example", "a" * 63 + ".de"]
)
def test_domains_pass(value: str) -> None:
    assert grammar.domain(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE,
        "localhost",
        "10.0.0.1",
        "shop.example.",
        "shop..example",
        "Shop.example",
        "_x.example",
        "a" * 64 + ".de",
    ],
)
def test_what_is_no_domain_is_refused(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^domain: .*; ") as refused:
        grammar.domain(value)
    assert refused.value.reason == "invalid"


@pytest.mark.parametrize("value", ["info", "a.b", "a+b", "a_b-c", "0", "x" * 64])
def test_local_parts_pass(value: str) -> None:
    assert mail_names.address(value, "shop.example") == f"{value}@shop.example"


@pytest.mark.parametrize("value", [*HOSTILE, "a..b", ".a", "a.", "a@b", "a%b", "x" * 65])
def test_what_is_no_local_part_is_refused(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^local_part: "):
        mail_names.local_part(value)


def test_an_address_has_a_greatest_length() -> None:
    with pytest.raises(StepFailed, match="too long"):
        mail_names.address("x" * 64, ".".join(["y" * 60] * 4))


@pytest.mark.parametrize("value", [*HOSTILE, "a.b", "a_b"])
def test_what_is_no_selector_is_refused(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^selector: "):
        mail_names.selector(value)


@pytest.mark.parametrize("value", [BCRYPT, ARGON, "{SHA512-CRYPT}$6$salt$" + "c" * 86])
def test_hashes_pass(value: str) -> None:
    assert mail_names.password_hash(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE,
        "secret-in-clear",
        "{PLAIN}secret-in-clear",
        BCRYPT + "\n",
        BCRYPT.replace("$10$", "$31$"),  # a login would take hours
        BCRYPT.replace("{BLF-CRYPT}", ""),
        ARGON.replace("m=65536", "m=9999999"),
    ],
)
def test_what_is_no_hash_is_refused_and_never_quoted(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^password_hash: is no hash") as refused:
        mail_names.password_hash(value)
    assert "secret-in-clear" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "Zoë “Info” O'Neil", "{{ 7 * 7 }} $(id) `id` \\ %", "雪" * 128])
def test_names_of_people_keep_every_character(value: str) -> None:
    assert mail_names.display_name(value) == value


@pytest.mark.parametrize("value", ["two\nlines", "a\0b", "\x1b[31m", "\u202eright to left", "x" * 129])
def test_names_that_cannot_be_printed_are_refused(value: str) -> None:
    with pytest.raises(StepFailed, match=r"^display_name: "):
        mail_names.display_name(value)


def test_numbers_have_bounds() -> None:
    assert grammar.whole(1, "quota_mb", 1, 5) == 1
    for value in (0, 6):
        with pytest.raises(StepFailed, match=r"^quota_mb: "):
            grammar.whole(value, "quota_mb", 1, 5)
