"""Files and functions stay small enough to be read."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("orchestrator", "lab", "demo", "bench", "tools", "collections/ansible_collections/tenantry/hosting/plugins")


def files() -> Iterator[Path]:
    """Yield every Python file of the product."""
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def lengths() -> Iterator[tuple[str, int]]:
    """Yield (where, lines) of every function, its documentation not counted."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                has_text = ast.get_docstring(node) is not None
                first = node.body[1] if has_text and len(node.body) > 1 else node.body[0]
                yield f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - first.lineno + 1


def test_no_file_is_longer_than_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count for path in files() if (count := len(path.read_text().splitlines())) > 300
    }
    assert long == {}


def test_no_function_is_longer_than_40_lines() -> None:
    assert {where: count for where, count in lengths() if count > 40} == {}


def test_the_median_function_is_under_10_lines() -> None:
    assert statistics.median(count for _, count in lengths()) < 10
