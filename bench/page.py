"""docs/performance.md, from the files that the suites have written."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_HEAD = """\
# Performance

Measured with `make bench`, which boots four nodes of the lab, sets them up and runs every suite. Some of them:
`tools/with-lab .venv/bin/python -m bench SUITE…` (`--help` lists them and their sizes). This page is written from their files
`bench-SUITE.json`.

What is compared was measured in turn, in one run, on one machine: read the ratios first, for the seconds are that machine's, and
orchestrator, nodes and database share its cores. `load` is what else it did: above the number of cores, everything waits.
Python is the one that `make setup` has taken; the directories of attempts are on a tmpfs, as with the service unit.
"""


_NOTHING = """\
No run of the suites is recorded here yet. [Decision 15](decisions/0015-interpreters-on-the-nodes.md) has the figures that were
taken while it was made.
"""


def write(folder: Path, page: Path, suites: Sequence[str]) -> None:
    """Write the page from those suites that have been run."""
    files = [folder / f"bench-{suite}.json" for suite in suites]
    found = [json.loads(file.read_text()) for file in files if file.exists()]
    sections = [line for one in found for line in _section(one)] or [_NOTHING]
    page.write_text("\n".join([_HEAD, *sections]))


def machine() -> str:
    """Return what kind of machine this is: no name, no path."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kind = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    return f"{kind}, Python {platform.python_version()}"


def _section(found: dict[str, Any]) -> Iterator[str]:
    yield f"## {found['suite']}"
    yield ""
    yield f"{found['at'][:10]}, {found['machine']}; load of the machine at the start: {found['load']:.1f}."
    yield ""
    yield "| figure | value | | note |"
    yield "|---|---:|---|---|"
    for one in found["figures"]:
        yield f"| {one['name']} | {one['value']:,.2f} | {one['unit']} | {one['note']} |"
    yield ""
