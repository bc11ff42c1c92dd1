"""What a measurement is, and how it is shown and kept."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import page


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number with its unit, and what it should be compared with."""

    name: str
    value: float
    unit: str
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Return a note: how far the values lie apart."""
    least, low, high, most = (percentile(values, share) for share in (0, 0.25, 0.75, 1))
    return f"{len(values)} runs, {least:.2f} to {most:.2f}, half of them {low:.2f} to {high:.2f}"


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print a table."""
    table = Table("figure", "value", "unit", "note", title=title, box=None, title_justify="left", header_style="bold")
    table.columns[1].justify = "right"
    for one in figures:
        table.add_row(one.name, f"{one.value:,.2f}", one.unit, one.note)
    Console(width=120).print(table)


def keep(suite: str, figures: Sequence[Figure], folder: Path, load: float) -> Path:
    """Write bench-SUITE.json and return its path; ``load`` is the machine's when the suite began."""
    path = folder / f"bench-{suite}.json"
    about = {"suite": suite, "at": datetime.now(UTC).isoformat(), "machine": page.machine(), "load": load}
    path.write_text(json.dumps(about | {"figures": [asdict(one) for one in figures]}, indent=2) + "\n")
    return path
