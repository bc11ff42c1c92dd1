"""Zones, records and questions for the tests of DNS."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from lab import access, addresses, snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from tests.support.steps import Steps

Found = TypeVar("Found")
ONE, TWO = "dns8", "dns9"
BOTH = (ONE, TWO)
ZONE = "shop.example."
SERVICE = 1001
SERIAL = 2026112401
# What a step leaves behind besides its result.
TRACES = ("/var/lib/tenantry/guard*",)
DATABASE = "/var/lib/powerdns/tenantry.sqlite3"


def at_once(work: Callable[[str], Found]) -> list[Found]:
    """Do the same on both servers at the same time."""
    with ThreadPoolExecutor(len(BOTH)) as pool:
        return list(pool.map(work, BOTH))


def zone(steps: Steps, node: str, name: str, service: int | None, number: int = SERIAL, **more: Any) -> RunResult:
    """Run dns.zone_present."""
    return steps.run(node, "dns.zone_present", zone_params(name, number), service=service, **more)


def records(steps: Steps, node: str, *rrsets: dict[str, Any], service: int = SERVICE, **more: Any) -> RunResult:
    """Run dns.records_present, or another action with the same params."""
    action = more.pop("action", "dns.records_present")
    check = more.pop("check", False)
    shared = {"shared_owner": more.pop("shared_owner")} if "shared_owner" in more else {}
    params = records_params(more.pop("zone", ZONE), *rrsets, **more)
    return steps.run(node, action, params | shared, service=service, check=check)


def gone(steps: Steps, node: str, *keys: tuple[str, str], service: int | None = SERVICE, **more: Any) -> RunResult:
    """Run dns.record_absent."""
    check = more.pop("check", False)
    named = [{"name": name, "type": kind} for name, kind in keys]
    params = {"zone": ZONE, "serial": SERIAL, "remove": named, **more}
    return steps.run(node, "dns.record_absent", params, service=service, check=check)


def on_zone(
    steps: Steps, node: str, action: str, name: str = ZONE, service: int | None = SERVICE, *, check: bool = False
) -> RunResult:
    """Run an action that takes nothing but a zone."""
    return steps.run(node, f"dns.{action}", {"zone": name}, service=service, check=check)


def root(lab: Lab, node: str, *command: str) -> str:
    """Run a command on a node as root."""
    return access.on(lab, node, *command).stdout


def sql(lab: Lab, node: str, *statements: str) -> None:
    """Change the database behind the server's back, as a person with a shell may, and let the server forget."""
    script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as d:\n for s in sys.argv[2:]: d.execute(s)\n"
    access.on(lab, node, "python3", "-", DATABASE, *statements, stdin=script)
    root(lab, node, "pdns_control", "purge")


def diffs(result: RunResult) -> str:
    """Return everything that a run would change, or changed."""
    return "".join(event.diff for event in result.events)


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


@contextmanager
def asking(lab: Lab, node: str, names: Sequence[str]) -> Iterator[None]:
    """Ask a node for addresses of names all the time, so that its caches are never empty."""
    stop = threading.Event()

    def work() -> None:
        for name in itertools.cycle(names):
            if stop.wait(0.001):
                return
            ask(lab, node, name, "A")

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(work) for _ in range(2)]
        try:
            yield
        finally:
            stop.set()
            for client in clients:
                client.result(10)


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


# What a customer's zone may hold, all of it.
DEFAULTS = (
    rrset(ZONE, "A", "192.0.2.10"),
    rrset(ZONE, "AAAA", "2001:DB8:0:0::10"),
    rrset(f"WWW.{ZONE}", "A", "192.0.2.10", "192.0.2.11"),
    rrset(ZONE, "MX", f"10 mail.{ZONE}", "20 Backup.Example."),
    rrset(f"nomail.{ZONE}", "MX", "0 ."),
    rrset(ZONE, "TXT", "v=spf1 mx a ~all"),
    rrset(f"_imaps._tcp.{ZONE}", "SRV", f"0 1 993 mail.{ZONE}"),
    rrset(f"_none._tcp.{ZONE}", "SRV", "0 0 0 ."),
    rrset(ZONE, "CAA", '0 issue "ca.example; account=7"', "128 iodef mailto:abuse@example.org"),
    rrset(f"blog.{ZONE}", "CNAME", "_x.hosting.example."),
    rrset(f"*.wild.{ZONE}", "A", "192.0.2.12"),
    rrset(f"child.{ZONE}", "NS", f"ns1.child.{ZONE}"),
    rrset(f"ns1.child.{ZONE}", "A", "192.0.2.13"),
)
