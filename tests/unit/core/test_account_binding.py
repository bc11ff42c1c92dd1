"""The binding of our account at a CA, as the environment gives it."""

from __future__ import annotations

import pytest

from orchestrator.config import binding
from orchestrator.config.binding import HMAC_KEY, KEY_ID
from orchestrator.core.errors import InvalidInput


def test_none_is_none_and_both_are_one() -> None:
    assert binding.from_environment({}) is None
    found = binding.from_environment({KEY_ID: "kid-1", HMAC_KEY: "zWND_M6e-Q=="})
    assert found is not None
    assert (found.key_id, found.hmac_key) == ("kid-1", "zWND_M6e-Q")
    assert "zWND" not in repr(found)


@pytest.mark.parametrize(
    ("given", "named"),
    [({KEY_ID: "kid-1"}, HMAC_KEY), ({HMAC_KEY: "abcd"}, KEY_ID), ({KEY_ID: "kid-1", HMAC_KEY: "a b!"}, HMAC_KEY)],
)
def test_what_is_missing_or_cannot_be_used_is_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        binding.from_environment(given)
    assert "a b!" not in str(caught.value)
