"""A server's answer about its guard is data: numbers of a sane size, or nothing."""

from __future__ import annotations

import json

import pytest

from orchestrator.core.errors import InvalidInput
from orchestrator.execute.guard_probe import read


def test_an_answer_is_read() -> None:
    found = read("web1", json.dumps({"services": {"1001": [3, 117], "7": [1, 9]}, "uid": 20001}))
    assert (found.token, found.uid, dict(found.generations)) == (117, 20001, {1001: 3, 7: 1})
    assert read("web1", '{"services": {}, "uid": 0}').token == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"services": {"x": [1, 2]}, "uid": 0}',
        '{"services": {"1": [1]}, "uid": 0}',
        '{"services": {"1": [true, 2]}, "uid": 0}',
        '{"services": {"1": [1, 1e99]}, "uid": 0}',
        '{"services": {"1": [1, -2]}, "uid": 0}',
        '{"services": {"1": [1, 9223372036854775808]}, "uid": 0}',
        '{"services": {}, "uid": null}',
        '{"services": {}}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no guard writes"):
        read("web1", text)
