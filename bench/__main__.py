"""python -m bench [SUITE…]: run the suites, print a table of each and write bench-SUITE.json."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from bench import certificates, chain, figures, queue, usage_statistics, usage_sync
from bench.figures import Figure
from bench.simulation import suite as simulation

SUITES: Mapping[str, Callable[[argparse.Namespace], Sequence[Figure]]] = {
    "queue": queue.run,
    "chain": chain.run,
    "statistics": usage_statistics.run,
    "usage": usage_sync.run,
    "certificates": certificates.run,
    "simulation": simulation.run,
}


def main() -> None:
    """Run the chosen suites, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures speed and memory.")
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help=f"of {', '.join(SUITES)}; default: all")
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished tasks that count as a long history")
    parser.add_argument("--samples", type=int, default=150, help="measurements of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="services deployed by each way")
    parser.add_argument("--services", type=int, default=10_000, help="services that statistics are made of")
    parser.add_argument("--days", type=int, default=400, help="days of their history")
    parser.add_argument("--accounts", type=int, default=1_000, help="accounts and mailboxes that are collected from")
    parser.add_argument("--certificates", type=int, default=100_000, help="certificates of the simulated year")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for name in chosen.suite or SUITES:
        found = SUITES[name](chosen)
        figures.show(name, found)
        print(f"written to {figures.keep(name, found, Path.cwd())}")


if __name__ == "__main__":
    main()
