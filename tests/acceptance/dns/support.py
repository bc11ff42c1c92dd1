"""Zones, records and questions for the tests of DNS."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from lab import access, addresses, snapshot
from lab.config import Lab

SERIAL = 2026112401
# What a step leaves behind besides its result.
TRACES = ("/var/lib/tenantry/guard*",)


def zone_params(zone: str, serial: int = SERIAL) -> dict[str, Any]:
    """Return the params of dns.zone_present."""
    soa = {"mname": "ns1.lab.test.", "rname": rf"host\.master.{zone}"}
    timers = {"refresh": 7200, "retry": 3600, "expire": 1209600, "minimum": 3600}
    return {"zone": zone, "nameservers": ["ns1.lab.test.", "ns2.lab.test."], "soa": soa | timers, "serial": serial}


def rrset(name: str, kind: str, *records: str, ttl: int = 300) -> dict[str, Any]:
    """Return one RRset of a job."""
    return {"name": name, "type": kind, "ttl": ttl, "records": list(records)}


def records_params(
    zone: str, *rrsets: dict[str, Any], serial: int = SERIAL, remove: tuple[tuple[str, str], ...] = ()
) -> dict[str, Any]:
    """Return the params of dns.records_present and dns.record_present."""
    removed = [{"name": name, "type": kind} for name, kind in remove]
    return {"zone": zone, "serial": serial, "rrsets": list(rrsets), "remove": removed}


def ask(lab: Lab, node: str, name: str, kind: str) -> dns.message.Message:
    """Return what a node answers over UDP, or TCP when it is too long for that."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    return dns.query.udp_with_fallback(query, addresses.of(lab, node).ipv4, timeout=3)[0]


def answers(lab: Lab, node: str, name: str, kind: str) -> list[str]:
    """Return the answer's records as "TTL text", in order."""
    wanted = dns.rdatatype.from_text(kind)
    found = [one for one in ask(lab, node, name, kind).answer if one.rdtype == wanted]
    return sorted(f"{one.ttl} {record.to_text()}" for one in found for record in one)


def texts(lab: Lab, node: str, name: str) -> list[bytes]:
    """Return the bytes of every TXT record of a name."""
    found = [one for one in ask(lab, node, name, "TXT").answer if one.rdtype == dns.rdatatype.TXT]
    return [b"".join(record.strings) for one in found for record in one]


def serial(lab: Lab, node: str, zone: str) -> int:
    """Return the serial that a node answers."""
    return int(answers(lab, node, zone, "SOA")[0].split()[3])


def everything(lab: Lab, node: str, zone: str) -> list[str]:
    """Return a zone as the node's own tool lists it."""
    listed = access.on(lab, node, "pdnsutil", "list-zone", zone).stdout
    return sorted(line for line in listed.splitlines() if line and not line.startswith("$ORIGIN"))


def tree(lab: Lab, node: str) -> snapshot.Tree:
    """Return everything managed on a node but the guard's records of attempts."""
    return snapshot.tree(lab, node, exclude=TRACES)


def code(message: dns.message.Message) -> str:
    """Return the word of an answer's code."""
    return dns.rcode.to_text(message.rcode())
