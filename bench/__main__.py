"""python -m bench [SUITE…]: run the suites, print a table of each, write bench-SUITE.json and docs/performance.md."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from bench import (
    certificates,
    chain,
    figures,
    idle,
    issuing,
    load,
    page,
    pages,
    queue,
    site,
    soak,
    step,
    usage_statistics,
    usage_sync,
)
from bench.figures import Figure
from bench.simulation import suite as simulation
from demo.installation import Installation

ALONE: Mapping[str, Callable[[argparse.Namespace], Sequence[Figure]]] = {
    "queue": queue.run,
    "statistics": usage_statistics.run,
    "usage": usage_sync.run,
    "certificates": certificates.run,
    "simulation": simulation.run,
    "pages": pages.run,
}
ON_NODES: Mapping[str, Callable[[argparse.Namespace, Installation], Sequence[Figure]]] = {
    "idle": idle.run,
    "step": step.run,
    "chain": chain.run,
    "load": load.run,
    "issuing": issuing.run,
    "soak": soak.run,
}
SUITES = (*ON_NODES, *ALONE)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def main() -> None:
    """Run the chosen suites, all of them by default."""
    chosen = _parser().parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    names = chosen.suite or list(SUITES)
    with contextlib.ExitStack() as stack:
        on_nodes = [name for name in names if name in ON_NODES]
        installation = stack.enter_context(site.opened()) if on_nodes else None
        for name in on_nodes:
            assert installation is not None
            _measure(name, ON_NODES[name], chosen, installation)
    for name in names:
        if name in ALONE:
            _measure(name, ALONE[name], chosen)
    page.write(Path.cwd(), PAGE, SUITES)


def _measure(name: str, suite: Callable[..., Sequence[Figure]], *arguments: Any) -> None:
    busy = os.getloadavg()[0]
    found = suite(*arguments)
    figures.show(name, found)
    print(f"written to {figures.keep(name, found, Path.cwd(), busy)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures speed and memory.")
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help=f"of {', '.join(SUITES)}; default: all")
    numbers = {
        "--rows": (1_000_000, "queue: finished tasks that count as a long history"),
        "--samples": (150, "queue, statistics, certificates: measurements of each kind"),
        "--steps": (12, "step: runs by ansible-playbook, and twice as many by the orchestrator"),
        "--rounds": (5, "chain: services deployed by each way"),
        "--burst": (400, "load: steps in the queue at once"),
        "--orders": (100, "load: services ordered at once"),
        "--issued": (30, "issuing: services whose certificates are due at once"),
        "--idle-seconds": (60, "idle: for how long it is watched"),
        "--soak": (2_000, "soak: steps in a row"),
        "--services": (10_000, "statistics: services"),
        "--days": (400, "statistics: days of their history"),
        "--accounts": (1_000, "usage: accounts and mailboxes that are collected from"),
        "--certificates": (100_000, "simulation: certificates of the simulated year"),
    }
    for name, (default, text) in numbers.items():
        parser.add_argument(name, type=int, default=default, help=f"{text}; default: {default}")
    return parser


if __name__ == "__main__":
    main()
