"""Names: what is normalised, and what is refused with its field, reason and remedy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import names
from orchestrator.core.errors import InvalidInput

GRAMMAR = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("shop.test", "shop.test"),
        ("Shop.Test", "shop.test"),
        ("shop.test.", "shop.test"),
        ("müller.example", "xn--mller-kva.example"),
        ("MÜLLER.example.", "xn--mller-kva.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("日本.example", "xn--wgv71a.example"),
        ("a-b.c-d.example", "a-b.c-d.example"),
    ],
)
def test_a_domain_is_normalised(given_name: str, expected: str) -> None:
    assert names.domain(given_name) == expected


@pytest.mark.parametrize(
    "bad",
    [
        None, 7, True, [], {}, "", " ", ".", "..", "shop", "shop..test", ".shop.test", "-shop.test", "shop-.test",
        "sh_op.test", "shop.test/../../etc", "../etc/passwd", "a" * 64 + ".test", ".".join(["a" * 60] * 5),
        "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "1.2.3", "shop.test;rm -rf /", "shop.test\nevil.test",
        "shop.test\x00", "shop.test\r", "*.shop.test", "shop.test } server {", "`id`.test", "$(id).test", "{{ 7*7 }}.test",
        "shop.localhost", "host.local", "x.arpa", "xn--\x80.test", "xn--aaaa-.test", "shop%0a.test", "shop.test?", "ѕhop ․test",
    ],
)  # fmt: skip
def test_an_unusable_domain_is_refused_with_field_reason_and_remedy(bad: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        names.domain(bad)
    assert caught.value.field == "domain"
    assert caught.value.reason
    assert caught.value.remedy
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_whatever_comes_in_only_the_grammar_comes_out(text: str) -> None:
    try:
        found = names.domain(text)
    except InvalidInput:
        return
    assert GRAMMAR.fullmatch(found)
    assert len(found) <= 253
    assert names.domain(found) == found


@given(st.text(max_size=70))
def test_a_local_part_never_leaves_its_grammar(text: str) -> None:
    try:
        found = names.local_part(text)
    except InvalidInput:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9._+-]*", found)
    assert ".." not in found


@pytest.mark.parametrize("bad", ["root", "www-data", "Postfix", "a", "1abc", "a" * 32, "bob smith", "bob\n", "-o", ""])
def test_a_username_that_a_system_could_mistake_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        names.username(bad)


@pytest.mark.parametrize("bad", ["-oProxyCommand=touch x", "host name", "", "10.0.0.256", "a" * 300])
def test_a_server_address_can_never_be_an_option(bad: str) -> None:
    with pytest.raises(InvalidInput):
        names.address(bad)


def test_overlap_is_about_labels_not_text() -> None:
    assert names.overlaps("shop.test", "www.shop.test")
    assert names.overlaps("www.shop.test", "shop.test")
    assert not names.overlaps("myshop.test", "shop.test")


def test_a_shown_value_is_bounded_and_printable() -> None:
    assert names.shown("a\x1b[31m\n" * 100).isprintable()
    assert len(names.shown("a" * 1000)) < 70
