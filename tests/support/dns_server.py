"""A DNS server for tests, by UDP and TCP, that answers exactly what it is told to, wrong answers included."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Zone:
    """What a server answers: records as text by (name, type), and faults by the same."""

    address: str
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    rcodes: dict[tuple[str, str], str] = field(default_factory=dict)  # "SERVFAIL", ...; "SILENT" says nothing
    bogus: set[str] = field(default_factory=set)  # names that are SERVFAIL unless checking is disabled
    truncated: bool = False  # by UDP
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    port: int = 0

    def add(self, name: str, kind: str, *contents: str) -> None:
        """Let a name have records."""
        self.records[name, kind] = list(contents)

    def answer(self, data: bytes, by_udp: bool) -> bytes | None:
        """Return the answer to a question."""
        query = dns.message.from_wire(data)
        name, kind = query.question[0].name.to_text().rstrip("."), dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked[name, kind] += 1
        response = dns.message.make_response(query)
        code = self.rcodes.get((name, kind)) or self.rcodes.get((name, "*"))
        if code == "SILENT":
            return None
        if code or (name in self.bogus and not query.flags & dns.flags.CD):
            response.set_rcode(dns.rcode.from_text(code or "SERVFAIL"))
        elif by_udp and self.truncated:
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(20):
            if (name, kind) in self.records or (name, "CNAME") not in self.records:
                break
            [target] = self.records[name, "CNAME"]
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", target))
            name = target.rstrip(".")
        if (name, kind) in self.records:
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *self.records[name, kind]))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)


@contextlib.contextmanager
def serve(zone: Zone) -> Iterator[Zone]:
    """Run a server on the zone's address until the block ends; a port of 0 becomes a free one."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, socket = self.request
            answer = zone.answer(data, by_udp=True)
            if answer is not None:
                socket.sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = int.from_bytes(self.rfile.read(2), "big")
            answer = zone.answer(self.rfile.read(length), by_udp=False)
            if answer is not None:
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    class UdpServer(socketserver.ThreadingUDPServer):
        allow_reuse_address = True

    class TcpServer(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    udp: Any = UdpServer((zone.address, zone.port), Udp)
    zone.port = udp.server_address[1]
    tcp: Any = TcpServer((zone.address, zone.port), Tcp)
    for server in (udp, tcp):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield zone
    finally:
        for server in (udp, tcp):
            server.shutdown()
            server.server_close()
