"""A link opens one service until a moment, and nothing that was changed in it opens anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import links

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.integers(1, 999_999_999), st.integers(1, 10_000_000))
def test_it_opens_its_service_until_its_moment(service: int, seconds: int) -> None:
    until = NOW + timedelta(seconds=seconds)
    word = links.sign(KEY, service, until)
    assert links.opened(KEY, word, NOW) == service
    assert links.opened(KEY, word, until - timedelta(seconds=1)) == service
    assert links.opened(KEY, word, until) is None
    assert links.opened(OTHER, word, NOW) is None


@given(st.data())
def test_no_changed_character_opens_anything(data: st.DataObject) -> None:
    word = links.sign(KEY, 1001, NOW + timedelta(hours=1))
    place = data.draw(st.integers(0, len(word) - 2))  # the last character has two bits that mean nothing
    character = data.draw(st.characters().filter(lambda one: one != word[place]))
    assert links.opened(KEY, word[:place] + character + word[place + 1 :], NOW) is None


@given(st.text(max_size=120))
def test_no_text_is_too_strange_to_be_refused(text: str) -> None:
    assert links.opened(KEY, text, NOW) is None
