"""Which steps of a deploy a story interrupts."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Build

__all__ = ["Build", "interruptions"]
STEPS = 15  # of the deploy chain of a split service with two DNS servers, the last one included
EVERY = 7
FIRST = {
    "redeploy": 0,
    "suspend": 1,
    "terminate": 2,
    "kill": 3,
}  # so each has other steps; --thorough gives all to all


def interruptions(config: pytest.Config, by: str) -> range:
    """Return after how many steps of a deploy something happens in between."""
    return range(STEPS) if config.getoption("--thorough") else range(FIRST[by], STEPS, EVERY)
