"""Settings and addresses: two labs never share anything."""

from __future__ import annotations

import ipaddress

import pytest

from lab import addresses, config
from lab.errors import UsageError
from tests.support import labs

LAB = config.load({})
OTHER = config.load({"TENANTRY_LAB_BRIDGE": "tenantry9", "TENANTRY_LAB_SUBNET": "10.78.0.0/24"})


def test_the_usual_nodes_have_the_documented_addresses() -> None:
    found = {name: addresses.of(LAB, name).ipv4 for name in config.DEFAULT_NODES}
    assert found == {
        "web1": "10.77.0.11",
        "mail1": "10.77.0.31",
        "dns1": "10.77.0.51",
        "dns2": "10.77.0.52",
        "acme": "10.77.0.70",
    }


def test_ipv6_shows_the_digits_of_ipv4() -> None:
    address = addresses.of(LAB, "web1")
    assert address.ipv6.endswith("::11")
    assert ipaddress.IPv6Address(address.ipv6) in LAB.ipv6
    assert LAB.ipv6.is_private


def test_no_two_nodes_share_anything() -> None:
    rows = addresses.table(LAB)
    for field in ("name", "fqdn", "ipv4", "ipv6", "namespace", "interface"):
        assert len({getattr(row, field) for row in rows}) == len(rows), field
    assert LAB.gateway not in {row.ipv4 for row in rows}


def test_two_labs_share_nothing() -> None:
    for mine, other in zip(addresses.table(LAB), addresses.table(OTHER), strict=True):
        for field in ("ipv4", "ipv6", "namespace", "interface"):
            assert getattr(mine, field) != getattr(other, field)


def test_labs_of_test_processes_share_nothing_with_each_other_or_their_base() -> None:
    base = {
        "TENANTRY_LAB_STATE": "/var/lib/a-lab",
        "TENANTRY_LAB_BRIDGE": "alab",
        "TENANTRY_LAB_SUBNET": "10.78.0.0/24",
    }
    found = [config.load(base), *(config.load(labs.environment(number, base)) for number in range(8))]
    for field in ("state", "bridge", "subnet", "ipv6", "interface_prefix"):
        assert len({getattr(one, field) for one in found}) == len(found), field


def test_interface_names_fit_the_kernel() -> None:
    # A slow cable needs two characters more than a good one.
    assert max(len(row.interface) for row in addresses.table(LAB)) <= 13


@pytest.mark.parametrize("name", ["", "web", "web0", "web20", "web01", "mysql1", "../web1", "web1 ", "WEB1", "web1;id"])
def test_a_bad_name_is_refused(name: str) -> None:
    assert not addresses.valid(name)
    with pytest.raises(UsageError, match="no such name"):
        addresses.of(LAB, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENANTRY_LAB_STATE", "/"),
        ("TENANTRY_LAB_STATE", "relative/state"),
        ("TENANTRY_LAB_CACHE", "/var"),
        ("TENANTRY_LAB_BRIDGE", "Bridge!"),
        ("TENANTRY_LAB_BRIDGE", "much-too-long-0"),
        ("TENANTRY_LAB_SUBNET", "8.8.8.0/24"),
        ("TENANTRY_LAB_SUBNET", "10.0.0.0/8"),
        ("TENANTRY_LAB_SUBNET", "10.77.0.1/24"),
        ("TENANTRY_LAB_SUBNET", "lab"),
    ],
)
def test_a_bad_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        config.load({name: value})
