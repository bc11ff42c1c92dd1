"""Fixtures of every suite. Settings of the machine never reach a test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # `make bench` is for that
settings.load_profile("untimed")

for name in [name for name in os.environ if name.startswith("TENANTRY_")]:
    if not name.startswith("TENANTRY_LAB_"):
        del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the long runs."""
    parser.addoption(
        "--thorough",
        action="store_true",
        help="interrupt a deploy on nodes after every step, run every Molecule scenario, try every text in removals too",
    )


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """A command that runs in the process of the tests makes its files private; those of the next test are not."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def require(reason: str) -> None:
    """Skip a test for a reason that is missing on this machine; in CI that is a failure."""
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
