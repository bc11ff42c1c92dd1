"""What a CA counts by."""

from __future__ import annotations

import pytest

from orchestrator.plan.certificates.domains import registered


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.shop.co.uk", "shop.co.uk"),
        ("*.Shop.co.uk", "shop.co.uk"),
        ("shop.test.", "shop.test"),
        ("a.b.github.io", "b.github.io"),
        ("www.xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("co.uk", "co.uk"),
    ],
)
def test_the_registered_domain(name: str, domain: str) -> None:
    assert registered(name) == domain
