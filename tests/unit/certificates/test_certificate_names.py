"""The names of a certificate."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.plan.certificates import names
from orchestrator.plan.certificates.names import Misses
from tests.unit.certificates.given import DAY, NOW, leaf

ALL = ("shop.test", "www.shop.test", "blog.shop.test")


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("shop.test", "shop.test", True),
        ("SHOP.test", "shop.test", True),
        ("*.shop.test", "www.shop.test", True),
        ("*.shop.test", "a.b.shop.test", False),
        ("*.shop.test", "shop.test", False),
        ("*.shop.test", "*.shop.test", False),
        ("shop.test", "www.shop.test", False),
        ("*.test", "eshop.test", True),
    ],
)
def test_what_a_name_stands_for(pattern: str, name: str, covered: bool) -> None:
    assert names.covers(pattern, name) is covered


def test_the_names_that_are_not_covered_are_listed() -> None:
    assert names.uncovered(ALL, ["shop.test", "*.blog.shop.test"]) == ["www.shop.test", "blog.shop.test"]


def test_an_optional_name_is_left_out_of_a_first_certificate_after_three_misses() -> None:
    """Number 54."""
    misses = {"www.shop.test": Misses(count=2, since=NOW)}
    assert names.to_order(ALL, misses, None, NOW) == (ALL, ())
    misses = {"www.shop.test": Misses(count=3, since=NOW)}
    assert names.to_order(ALL, misses, None, NOW) == (("shop.test", "blog.shop.test"), ("www.shop.test",))


def test_the_first_name_is_never_left_out() -> None:
    assert names.to_order(ALL, {"shop.test": Misses(count=99, since=NOW)}, None, NOW) == (ALL, ())


def test_a_renewal_keeps_what_is_served_until_the_end_is_near() -> None:
    one = leaf(90 * DAY, names=ALL)
    missing = {"www.shop.test": Misses(count=50, since=NOW + 60 * DAY)}
    assert names.to_order(ALL, missing, one, NOW + 70 * DAY) == (ALL, ())
    ordered, left_out = names.to_order(ALL, missing, one, NOW + 80 * DAY)
    assert (ordered, left_out) == (("shop.test", "blog.shop.test"), ("www.shop.test",))
    lately = {"www.shop.test": Misses(count=50, since=NOW + 80 * DAY - timedelta(hours=71))}
    assert names.to_order(ALL, lately, one, NOW + 80 * DAY) == (ALL, ())
