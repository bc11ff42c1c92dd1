"""The text of the resolver's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import config, zones
from lab.errors import UsageError

LAB = config.load({})
FOLDER = Path("/var/lib/tenantry-lab/resolver")
DIGEST = "fefa47c7174511150d5f28fc50c715f473f590d80d8852a1214006f48160fbfc"


def configuration(*stubs: zones.Stub) -> str:
    return zones.configuration(LAB, FOLDER, list(stubs))


def test_every_name_outside_the_lab_does_not_exist() -> None:
    text = configuration()
    assert 'local-zone: "." static' in text
    assert 'name: "."\n    stub-addr: 127.0.0.1' in text


def test_a_stub_zone_is_asked_without_validation() -> None:
    text = configuration(zones.stub("shop.test", ["10.77.0.51"], None))
    assert 'domain-insecure: "shop.test."' in text
    assert 'name: "shop.test."\n    stub-prime: no\n    stub-addr: 10.77.0.51' in text


def test_an_anchor_demands_validation() -> None:
    anchor = f"shop.test. IN DS 17470 13 2 {DIGEST}"
    text = configuration(zones.stub("shop.test", ["10.77.0.51"], anchor))
    assert f'trust-anchor: "{anchor}"' in text
    assert 'domain-insecure: "shop.test."' not in text


def test_the_zone_of_the_nodes_names_both_name_servers() -> None:
    text = zones.node_zone(LAB)
    assert "web1 A 10.77.0.11\n" in text
    assert "ns1 A 10.77.0.51\n" in text
    assert "ns2 A 10.77.0.52\n" in text


@pytest.mark.parametrize(
    ("zone", "server", "anchor"),
    [
        ("shop test", "10.77.0.51", None),
        ('x"\nserver:', "10.77.0.51", None),
        ("shop.test", "ns1.elsewhere.net", None),
        ("shop.test", "10.77.0.51@port", None),
        ("shop.test", "10.77.0.51", "shop.test. A 10.77.0.11"),
        ("shop.test", "10.77.0.51", f'shop.test. DS 1 13 2 {DIGEST}"\nserver:'),
    ],
)
def test_what_would_break_the_file_is_refused(zone: str, server: str, anchor: str | None) -> None:
    with pytest.raises(UsageError):
        zones.stub(zone, [server], anchor)
