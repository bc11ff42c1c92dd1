"""Which name has which address: a pure function, so that no allocation has to be remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.config import DOMAIN, Lab
from lab.errors import UsageError

# First host number of each role; web1 is .11, dns2 is .52, acme is .70. `ext` stands for the outside world.
ROLES = {"web": 10, "mail": 30, "dns": 50, "acme": 70, "ext": 90, "db": 110, "node": 130}
_PER_ROLE = 20
_NAME = re.compile(r"([a-z]+)([1-9][0-9]?)?")


@dataclass(frozen=True, kw_only=True)
class Address:
    """The network identity of one node."""

    name: str
    fqdn: str
    ipv4: str
    ipv6: str
    namespace: str
    interface: str  # the host's end of the veth pair


def of(lab: Lab, name: str) -> Address:
    """Return the address that belongs to a node's name."""
    number = _host_number(name)
    return Address(
        name=name,
        fqdn=f"{name}.{DOMAIN}",
        ipv4=str(lab.subnet.network_address + number),
        # The same decimal digits as in IPv4: .11 is ::11, which a reader recognises at once.
        ipv6=str(lab.ipv6.network_address + int(str(number), 16)),
        namespace=f"{lab.bridge}-{name}",
        interface=f"{lab.interface_prefix}-{name}",
    )


def table(lab: Lab) -> list[Address]:
    """Return every address the lab can hand out, for the resolver's zone."""
    names = [f"{role}{index}" for role in ROLES for index in range(1, _PER_ROLE)]
    return [of(lab, name) for name in [*names, "acme"]]


def valid(name: str) -> bool:
    """Say whether a node can have this name."""
    try:
        _host_number(name)
    except UsageError:
        return False
    return True


def _host_number(name: str) -> int:
    match = _NAME.fullmatch(name)
    role, digits = match.groups() if match else ("", None)
    if role not in ROLES or (digits is None and role != "acme") or int(digits or 0) >= _PER_ROLE:
        known = ", ".join(ROLES)
        raise UsageError(f"node '{name}'", "no such name", f"use one of {known} and a number from 1 to {_PER_ROLE - 1}")
    return ROLES[role] + int(digits or 0)
