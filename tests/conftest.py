"""Fixtures of every suite. Settings of the machine never reach a test."""

from __future__ import annotations

import os

import pytest

for name in [name for name in os.environ if name.startswith("TENANTRY_")]:
    if not name.startswith("TENANTRY_LAB_"):
        del os.environ[name]


def require(reason: str) -> None:
    """Skip a test for a reason that is missing on this machine; in CI that is a failure."""
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
