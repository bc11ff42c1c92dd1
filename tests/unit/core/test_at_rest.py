"""Secrets in the database."""

from __future__ import annotations

import pytest

from orchestrator.core import at_rest
from orchestrator.core.errors import Unavailable

KEY = bytes(range(32))


def test_a_secret_comes_back_and_never_looks_the_same() -> None:
    one, two = (at_rest.encrypt(KEY, b"secret", "a:1") for _ in range(2))
    assert one != two
    assert "secret" not in one
    assert at_rest.decrypt(KEY, one, "a:1") == at_rest.decrypt(KEY, two, "a:1") == b"secret"


@pytest.mark.parametrize(
    ("key", "text", "place"),
    [
        (bytes(32), at_rest.encrypt(KEY, b"secret", "a:1"), "a:1"),
        (KEY, at_rest.encrypt(KEY, b"secret", "a:1"), "a:2"),
        (KEY, at_rest.encrypt(KEY, b"secret", "a:1")[:-8] + "AAAAAAA=", "a:1"),
        (KEY, "no base64!", "a:1"),
        (KEY, "", "a:1"),
    ],
    ids=["another key", "another place", "a changed text", "no base64", "nothing"],
)
def test_another_key_another_place_or_a_changed_text_is_refused(key: bytes, text: str, place: str) -> None:
    with pytest.raises(Unavailable, match="another key") as caught:
        at_rest.decrypt(key, text, place)
    assert "secret" not in str(caught.value)
