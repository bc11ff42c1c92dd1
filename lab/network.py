"""One bridge for the lab; one network namespace and one veth pair for a node."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lab.addresses import Address
from lab.config import Lab
from lab.errors import LabError
from lab.process import run

NAMESPACES = Path("/run/netns")
_SETTINGS = Path("/proc/sys/net")
_INTERFACES = Path("/sys/class/net")
_RULE_PRIORITY = "7700"


def raise_bridge(lab: Lab) -> None:
    """Make the bridge with its two addresses and the rule that keeps the lab's traffic inside."""
    if not bridge_exists(lab):
        if taken := taken_by(lab):
            raise LabError(f"subnet {lab.subnet}", f"the machine uses it already ({taken})", "set TENANTRY_LAB_SUBNET")
        _ip_batch(
            [
                f"link add {lab.bridge} type bridge",
                # Without duplicate address detection the addresses are usable at once.
                f"addr add {lab.gateway}/{lab.subnet.prefixlen} dev {lab.bridge}",
                f"addr add {lab.gateway6}/{lab.ipv6.prefixlen} dev {lab.bridge} nodad",
                f"link set {lab.bridge} up",
            ]
        )
    _keep_inside(lab)


def drop_bridge(lab: Lab) -> None:
    """Remove the bridge and its rule; do nothing where they are gone."""
    for family in ("-4", "-6"):
        while run(["ip", family, "rule", "del", *_rule(lab)], check=False).returncode == 0:
            continue
    if bridge_exists(lab):
        run(["ip", "link", "del", lab.bridge])


def bridge_exists(lab: Lab) -> bool:
    """Say whether the lab's bridge is there."""
    return (_INTERFACES / lab.bridge).exists()


def taken_by(lab: Lab) -> str | None:
    """Return the machine's own route into the lab's subnet, if there is one."""
    routes = run(["ip", "-4", "route", "show", "root", str(lab.subnet)]).stdout.splitlines()
    return next((route.strip() for route in routes if f" dev {lab.bridge} " not in route), None)


def plug(lab: Lab, address: Address) -> None:
    """Give a node its namespace and its cable; do nothing when both are there."""
    if plugged(address):
        return
    unplug(address)
    # A fixed hardware address: a node that was made anew is reachable before any neighbour cache expires.
    mac = "02:00:" + ":".join(f"{int(part):02x}" for part in address.ipv4.split("."))
    _ip_batch(
        [
            f"netns add {address.namespace}",
            f"link add {address.interface} type veth peer name eth0 address {mac} netns {address.namespace}",
            f"link set {address.interface} master {lab.bridge} up",
        ]
    )
    _ip_batch(
        [
            "link set lo up",
            f"addr add {address.ipv4}/{lab.subnet.prefixlen} dev eth0",
            f"addr add {address.ipv6}/{lab.ipv6.prefixlen} dev eth0 nodad",
            "link set eth0 up",
            f"route add default via {lab.gateway}",
        ],
        namespace=address.namespace,
    )
    run(["ip", "-n", address.namespace, "-6", "route", "add", "default", "via", lab.gateway6])


def unplug(address: Address) -> None:
    """Remove a node's cable and namespace; do nothing where they are gone."""
    if (_INTERFACES / address.interface).exists():
        run(["ip", "link", "del", address.interface])
    if (NAMESPACES / address.namespace).exists():
        run(["ip", "netns", "del", address.namespace])


def plugged(address: Address) -> bool:
    """Say whether the node has its namespace and its cable."""
    return (NAMESPACES / address.namespace).exists() and (_INTERFACES / address.interface).exists()


def require_plugged(address: Address) -> None:
    """Raise unless the node has its namespace and its cable."""
    if not plugged(address):
        raise LabError(f"node '{address.name}'", "it has no cable", f"run `python3 -m lab up {address.name}`")


def set_link(address: Address, *, up: bool) -> None:
    """Plug or pull the cable of a node; the node itself keeps running."""
    require_plugged(address)
    run(["ip", "link", "set", address.interface, "up" if up else "down"])


def link_is_up(address: Address) -> bool:
    """Say whether the node's cable is plugged."""
    flags = int((_INTERFACES / address.interface / "flags").read_text(), 16)
    return bool(flags & 1)


def splice(lab: Lab, address: Address, near: str, far: str) -> None:
    """Take the node's cable off the bridge and put one end of a new pair there instead; what joins them is not ours."""
    _ip_batch(
        [
            f"link add {near} type veth peer name {far}",
            f"link set {near} master {lab.bridge} up",
            f"link set {far} up",
            f"link set {address.interface} nomaster",
        ]
    )


def unsplice(lab: Lab, address: Address, near: str) -> None:
    """Undo `splice`; do nothing when the cable is on the bridge."""
    if (_INTERFACES / near).exists():
        run(["ip", "link", "del", near])
    if (_INTERFACES / address.interface).exists():
        run(["ip", "link", "set", address.interface, "master", lab.bridge])


def _keep_inside(lab: Lab) -> None:
    for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
        added = run(["ip", option, "rule", "add", *_rule(lab)], check=False)
        if added.returncode != 0 and "File exists" not in added.stderr:
            raise LabError("the rule that keeps the lab's traffic inside", added.stderr.strip(), "see docs/lab.md")
        # Only a forwarding interface answers "unreachable"; without it a node would wait for a time-out instead.
        with suppress(OSError):
            (_SETTINGS / family / "conf" / lab.bridge / "forwarding").write_text("1")


def _rule(lab: Lab) -> list[str]:
    # A packet from a node to anywhere but the bridge itself is refused at once, whatever the machine routes.
    return ["iif", lab.bridge, "unreachable", "pref", _RULE_PRIORITY]


def _ip_batch(lines: list[str], *, namespace: str | None = None) -> None:
    where = ["-n", namespace] if namespace else []
    run(["ip", *where, "-batch", "-"], stdin="\n".join(lines) + "\n")
