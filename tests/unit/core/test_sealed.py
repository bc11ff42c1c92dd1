"""Sealed secrets."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.core.errors import InvalidInput
from orchestrator.core.sealed import seal, unseal

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_what_was_sealed_comes_back() -> None:
    assert unseal(KEY, seal(KEY.public_key(), "pässwörd {{ 7*7 }}"), "password_sealed") == "pässwörd {{ 7*7 }}"


@pytest.mark.parametrize("bad", [None, 5, "", "in clear", "AAAA", "A" * 5000])
def test_anything_else_is_refused_without_being_quoted(bad: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        unseal(KEY, bad, "password_sealed")
    assert "in clear" not in str(caught.value)


def test_a_long_secret_is_several_blocks_and_only_where_so_many_are_expected() -> None:
    secret = "-----BEGIN PRIVATE KEY-----\n" + "ä" * 900
    sealed = seal(KEY.public_key(), secret)
    assert sealed.count(".") == 9
    assert unseal(KEY, sealed, "private_key_sealed", 16) == secret
    for bad in (sealed, sealed + "."):
        with pytest.raises(InvalidInput, match="password_sealed"):
            unseal(KEY, bad, "password_sealed")
    with pytest.raises(InvalidInput, match="was not sealed"):
        unseal(KEY, sealed + ".", "private_key_sealed", 16)
