"""Words of a node: no control characters, no secrets, bounded."""

from __future__ import annotations

import json

import pytest

from orchestrator.execute.text import HIDDEN, Mask, clean, sentence


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\x00b\x08c\x7fd", "a b c d"),
        ("right\u202eleft", "right left"),
        ("a\u200bb", "a b"),
        ("line\rover", "line over"),
        ("\x1b", ""),
        ("żółć ☃", "żółć ☃"),
    ],
)
def test_terminal_sequences_and_invisible_characters_go(said: str, shown: str) -> None:
    assert clean(said) == shown


def test_a_sentence_is_one_bounded_line() -> None:
    assert sentence(" a\n\n b\tc ") == "a b c"
    assert sentence("word " * 1000, 20) == "word word word word…"
    assert len(sentence("x" * 10_000_000, 500)) == 500


PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "name", ["password", "password_hash", "db_password", "secret", "api_key", "private_key", "Password"]
)
def test_what_a_secrets_name_covers_is_hidden(name: str) -> None:
    mask = Mask({"params": {name: "correct horse"}, "other": "visible words"})
    assert mask.text("got correct horse and visible words") == f"got {HIDDEN} and visible words"


def test_a_secret_is_hidden_in_every_form() -> None:
    secret = 'qu"ote\\back\nsecond line which is long'
    mask = Mask({"password": secret})
    for form in (secret, json.dumps(secret), "second line which is long"):
        assert "second line" not in mask.text(f"x {form} y")
    assert "ote" not in mask.text(json.dumps({"a": secret}))


def test_a_hash_is_hidden_without_its_scheme_too() -> None:
    mask = Mask({"password_hash": "{BLF-CRYPT}$2b$12$abcdefghijklmnop"})
    assert mask.text("hash $2b$12$abcdefghijklmnop") == f"hash {HIDDEN}"


def test_secrets_below_a_secret_name_and_inside_values() -> None:
    mask = Mask({"secrets": {}, "secret": {"list": ["first one", {"deep": "second one"}]}})
    assert mask.value({"k": ["first one", {"second one": 5}], "n": None}) == {"k": [HIDDEN, {HIDDEN: 5}], "n": None}


def test_any_private_key_is_hidden_even_cut_off() -> None:
    assert Mask({}).text(f"a {PEM} b") == f"a {HIDDEN}\n b"
    assert "MIIE" not in Mask({}).text(PEM[:60])


def test_short_values_hide_nothing() -> None:
    assert Mask({"password": "abc"}).text("abcdef") == "abcdef"
