"""What is taken for a sealed secret when a refused row is cleaned."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.core.sealed import looks_sealed, seal


@pytest.mark.parametrize("bits", [2048, 3072])
def test_what_was_sealed_looks_so_in_one_block_and_in_many(bits: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    assert looks_sealed(seal(key, "short"))
    assert looks_sealed(seal(key, "long " * 400))


@pytest.mark.parametrize(
    "value",
    [
        "correct horse",
        "",
        None,
        7,
        ["x"],
        base64.b64encode(b"correct horse").decode(),
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 500,
    ],
)
def test_anything_else_does_not(value: object) -> None:
    assert not looks_sealed(value)
