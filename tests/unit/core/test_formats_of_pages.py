"""Figures and moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.web.shell import formats

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 * 2**20, "1.5 GiB"),
        (2**50, "1.0 PiB"),
        (2**63, "8192.0 PiB"),
    ],
)
def test_bytes_are_told_in_their_largest_unit(value: int, text: str) -> None:
    assert formats.size(value) == text


def test_moments_are_told_from_now() -> None:
    assert formats.relative(NOW - timedelta(seconds=250), NOW) == "4 min ago"
    assert formats.relative(NOW + timedelta(days=3, hours=2), NOW) == "in 3 d"
    assert formats.relative(NOW, NOW) == "0 s ago"
    assert formats.exact(NOW) == "2026-11-29 12:00:00 UTC"


def test_a_share_is_whole_percent_and_no_limit_has_none() -> None:
    assert [formats.share(*pair) for pair in ((1, 3), (5, 5), (9, 1), (10**9, 1), (7, 0))] == [33, 100, 900, 999, 0]


def test_what_has_not_begun_took_nothing() -> None:
    assert formats.took(None, None, NOW) == ""
    assert formats.took(NOW - timedelta(seconds=2), None, NOW) == "2.0 s"
    assert formats.took(NOW - timedelta(hours=2), NOW, NOW) == "2 h"
