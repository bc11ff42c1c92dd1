"""python -m bench [SUITE…]: run the suites, print a table of each and write bench-SUITE.json."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from bench import chain, figures, pages, queue
from bench.figures import Figure

SUITES: Mapping[str, Callable[[argparse.Namespace], Sequence[Figure]]] = {
    "queue": queue.run,
    "chain": chain.run,
    "pages": pages.run,
}


def main() -> None:
    """Run the chosen suites, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures speed and memory.")
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help=f"of {', '.join(SUITES)}; default: all")
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished tasks that count as a long history")
    parser.add_argument("--samples", type=int, default=150, help="measurements of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="services deployed by each way")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for name in chosen.suite or SUITES:
        found = SUITES[name](chosen)
        figures.show(name, found)
        print(f"written to {figures.keep(name, found, Path.cwd())}")


if __name__ == "__main__":
    main()
