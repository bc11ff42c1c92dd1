"""Where one lab lives. Two labs with different bridges, subnets and states can run side by side."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError

DEFAULT_NODES = ("web1", "mail1", "dns1", "dns2", "acme")
DOMAIN = "lab.test"
LOGIN = "deploy"
# The kernel allows 15 characters in an interface name and 4 of them are needed for a suffix.
_BRIDGE = re.compile(r"[a-z][a-z0-9-]{0,10}")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The settings of one lab; everything it makes carries the bridge's name or lies below `state`."""

    cache: Path
    state: Path
    bridge: str
    subnet: ipaddress.IPv4Network
    mirror: str | None  # where the image's packages come from; None: the machine's own apt sources

    @property
    def ipv6(self) -> ipaddress.IPv6Network:
        """A unique local /64 derived from the IPv4 subnet, so that two labs never share one."""
        a, b, c, _ = self.subnet.network_address.packed
        return ipaddress.IPv6Network(f"fd{a:02x}:{b:02x}{c:02x}:7465:6e61::/64")

    @property
    def gateway(self) -> str:
        """The bridge's own IPv4 address: the lab's resolver listens there."""
        return str(self.subnet.network_address + 1)

    @property
    def gateway6(self) -> str:
        """The bridge's own IPv6 address."""
        return str(self.ipv6.network_address + 1)

    @property
    def interface_prefix(self) -> str:
        """Five characters that tell the interfaces of two labs apart."""
        return "t" + hashlib.sha256(self.bridge.encode()).hexdigest()[:4]

    @property
    def key(self) -> Path:
        """The private key every node of this lab accepts for the login user."""
        return self.state / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of the nodes."""
        return self.state / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """A file for `ssh -F` that knows every node by name."""
        return self.state / "ssh_config"


def load(environ: Mapping[str, str] | None = None) -> Lab:
    """Read the TENANTRY_LAB_* variables; raise `UsageError` for one that cannot work."""
    env = os.environ if environ is None else environ
    return Lab(
        cache=_path(env, "TENANTRY_LAB_CACHE", "/var/cache/tenantry-lab"),
        state=_path(env, "TENANTRY_LAB_STATE", "/var/lib/tenantry-lab"),
        bridge=_bridge(env.get("TENANTRY_LAB_BRIDGE") or "tenantry0"),
        subnet=_subnet(env.get("TENANTRY_LAB_SUBNET") or "10.77.0.0/24"),
        mirror=env.get("TENANTRY_LAB_MIRROR") or None,
    )


def _path(env: Mapping[str, str], name: str, default: str) -> Path:
    path = Path(env.get(name) or default)
    if not path.is_absolute() or len(path.parts) < 3:
        raise UsageError(name, f"'{path}' is no folder of its own", "give an absolute path such as " + default)
    return path


def _bridge(name: str) -> str:
    if not _BRIDGE.fullmatch(name):
        raise UsageError("TENANTRY_LAB_BRIDGE", f"'{name}' is no bridge name", "use at most 11 of a-z 0-9 -")
    return name


def _subnet(text: str) -> ipaddress.IPv4Network:
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise UsageError("TENANTRY_LAB_SUBNET", str(error), "use a /24 such as 10.78.0.0/24") from None
    if subnet.prefixlen != 24 or not subnet.is_private:
        raise UsageError("TENANTRY_LAB_SUBNET", f"{text} is not a private /24", "use 10.78.0.0/24 or the like")
    return subnet
