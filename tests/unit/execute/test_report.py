"""A report is data of a node: a strict shape with bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from orchestrator.execute import report

GOOD: dict[str, Any] = {
    "changed": True,
    "facts": {"a": [1, 2.5, "x", None, True]},
    "usage": {"disk_mb": 7},
    "warnings": ["w"],
}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_a_good_report() -> None:
    found = report.parse(GOOD)
    assert (found.changed, found.facts, found.usage, found.warnings) == (True, GOOD["facts"], {"disk_mb": 7}, ("w",))


@pytest.mark.parametrize(
    "value", [None, [], "x", 1, {}, {**GOOD, "more": 1}, {**GOOD, "changed": 1}, {"changed": True}]
)
def test_another_shape_is_refused(value: Any) -> None:
    with pytest.raises(report.BadReport):
        report.parse(value)


@pytest.mark.parametrize("part", ["facts", "usage"])
@pytest.mark.parametrize(
    "value",
    [
        {"a": math.nan},
        {"a": math.inf},
        {"a": -math.inf},
        {"a": 2**63},
        {"a": -(2**63)},
        {"a": "x" * 16_385},
        {"a": b"x"},
        {"": 1},
        {"a b": 1},
        {"<script>": 1},
        {"{{ x }}": 1},
        {"a" * 256: 1},
        nested(9),
        nested(10_000),
        {"a": [0] * 50_001},
        {"a": ["x" * 16_000] * 63},
        [],
        "x",
        None,
    ],
)
def test_what_is_too_large_or_no_plain_value_is_refused(part: str, value: Any) -> None:
    with pytest.raises(report.BadReport) as caught:
        report.parse({**GOOD, part: value})
    assert part in str(caught.value)


def test_large_but_finite_numbers_are_numbers() -> None:
    assert report.parse({**GOOD, "usage": {"a": 1e308, "b": -5, "c": 2**63 - 1}}).usage["a"] == 1e308


@pytest.mark.parametrize("value", ["x", None, [1], [["x"]], {"a": 1}])
def test_warnings_are_texts(value: Any) -> None:
    with pytest.raises(report.BadReport):
        report.parse({**GOOD, "warnings": value})


def test_warnings_are_few_and_clean() -> None:
    warnings = report.parse({**GOOD, "warnings": ["\x1b[31mred\x1b[0m\n" + "x" * 1000] * 80}).warnings
    assert len(warnings) == 50
    assert warnings[0].startswith("red xxx")
    assert len(warnings[0]) == 300


def test_json_that_python_reads_and_nobody_else() -> None:
    with pytest.raises(report.BadReport):
        report.parse({**GOOD, "facts": json.loads('{"a": NaN}')})
