"""The text of the resolver's configuration: pure functions from settings to files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import addresses
from lab.config import DOMAIN, Lab
from lab.errors import UsageError

DEFAULT_STUBS = ("test", "example")
# Nobody listens there. Without it unbound would ask the real root servers for the name of a name server.
_NOWHERE = "127.0.0.1"

_ZONE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SERVER = re.compile(r"[0-9a-fA-F.:]+(@[0-9]{1,5})?")
_ANCHOR = re.compile(r"[A-Za-z0-9._-]+ ([0-9]+ )?(IN )?(DS|DNSKEY) [0-9]+ [0-9]+ [0-9]+ [A-Za-z0-9+/= ]+")


@dataclass(frozen=True, kw_only=True)
class Stub:
    """One zone that is asked of servers of the lab."""

    zone: str
    servers: tuple[str, ...]  # address or address@port
    anchor: str | None  # a DS or DNSKEY record; None: the zone is taken without validation

    def as_dict(self) -> dict[str, object]:
        """Return the form that is stored."""
        return asdict(self)


def stub(zone: str, servers: Iterable[str], anchor: str | None) -> Stub:
    """Return a stub zone made from what a person typed, or say what is wrong with it."""
    name, chosen = zone.strip(".").lower(), tuple(servers)
    if not _ZONE.fullmatch(name):
        raise UsageError(f"stub zone '{zone}'", "not a domain name", "give one such as shop.test")
    for server in chosen:
        if not _SERVER.fullmatch(server):
            raise UsageError(f"server '{server}'", "not an address", "give an address, address@port or a node's name")
    if anchor is not None and not _ANCHOR.fullmatch(anchor):
        raise UsageError("the trust anchor", "not a DS or DNSKEY record", "give one line as `dig` prints it")
    return Stub(zone=name, servers=chosen, anchor=anchor)


def node_zone(lab: Lab) -> str:
    """Return the zone file with every node's name, so that a name server named after a node is found."""
    rows = ["$TTL 60", f"@ SOA dns.{DOMAIN}. root.{DOMAIN}. 1 3600 600 86400 5", f"@ NS dns.{DOMAIN}."]
    rows += [f"dns A {lab.gateway}", f"dns AAAA {lab.gateway6}"]
    for address in addresses.table(lab):
        rows += [f"{address.name} A {address.ipv4}", f"{address.name} AAAA {address.ipv6}"]
    for alias, name in (("ns1", "dns1"), ("ns2", "dns2")):
        address = addresses.of(lab, name)
        rows += [f"{alias} A {address.ipv4}", f"{alias} AAAA {address.ipv6}"]
    return "\n".join(rows) + "\n"


def configuration(lab: Lab, folder: Path, stubs: list[Stub]) -> str:
    """Return unbound's configuration file."""
    return "\n".join([*_server(lab, folder), *_policy(lab, stubs), *_zones(folder, stubs)]) + "\n"


def _server(lab: Lab, folder: Path) -> list[str]:
    return [
        "server:",
        f"    interface: {lab.gateway}",
        f"    interface: {lab.gateway6}",
        "    port: 53",
        "    ip-freebind: yes",
        f"    outgoing-interface: {lab.gateway}",
        f"    outgoing-interface: {lab.gateway6}",
        f"    access-control: {lab.subnet} allow",
        f"    access-control: {lab.ipv6} allow",
        '    username: ""',
        '    chroot: ""',
        f'    directory: "{folder}"',
        f'    pidfile: "{folder}/unbound.pid"',
        f'    logfile: "{folder}/unbound.log"',
        "    use-syslog: no",
        "    num-threads: 1",
        '    module-config: "validator iterator"',
        "    val-log-level: 2",
        # A change in the lab must show at once: nothing is remembered for longer than a few seconds.
        "    cache-max-ttl: 2",
        "    cache-max-negative-ttl: 1",
        "    infra-host-ttl: 2",
        "    infra-keep-probing: yes",
        # A dead server is on the same bridge: waiting longer for it only slows the test that killed it.
        "    infra-cache-max-rtt: 1000",
        "    unknown-server-time-limit: 100",
        "    outbound-msg-retry: 2",
        # A late SERVFAIL is an answer, and every client of a lab has one of two addresses.
        "    discard-timeout: 0",
        "    wait-limit: 0",
        "remote-control:",
        "    control-enable: no",
        "server:",
    ]


def _policy(lab: Lab, stubs: list[Stub]) -> list[str]:
    lines = ['    local-zone: "." static', f'    local-zone: "{DOMAIN}." transparent']
    for stub in stubs:
        lines.append(f'    local-zone: "{stub.zone}." transparent')
        lines.append(f'    trust-anchor: "{stub.anchor}"' if stub.anchor else f'    domain-insecure: "{stub.zone}."')
        if "." not in stub.zone:  # a top-level domain exists and says nothing of itself, CAA records neither (RFC 8659)
            lines.append(f"    local-data: \"{stub.zone}. TXT 'of the lab'\"")
    for address in addresses.table(lab):
        lines.append(f'    local-data-ptr: "{address.ipv4} {address.fqdn}."')
        lines.append(f'    local-data-ptr: "{address.ipv6} {address.fqdn}."')
    return lines


def _zones(folder: Path, stubs: list[Stub]) -> list[str]:
    lines = ["auth-zone:", f'    name: "{DOMAIN}."', f'    zonefile: "{folder}/lab.zone"', "    for-upstream: yes"]
    lines += ["    for-downstream: yes", "    fallback-enabled: no"]
    lines += ["stub-zone:", '    name: "."', f"    stub-addr: {_NOWHERE}", "    stub-prime: no"]
    for stub in stubs:
        lines += ["stub-zone:", f'    name: "{stub.zone}."', "    stub-prime: no"]
        lines += [f"    stub-addr: {server}" for server in stub.servers]
    return lines
