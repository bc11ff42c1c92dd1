"""The little resolver of the steps against answers that dnspython made, and against ones that are broken."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rrset
import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import dns_change, dns_query, dns_rdata
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import RRset

ZONE = "shop.example."
Reply = Callable[[bytes], bytes]


@contextmanager
def server(over_udp: Reply, over_tcp: Reply | None = None) -> Iterator[int]:
    """Answer one question over UDP, and one over TCP at the same port; yield the port."""
    udp, tcp = _bound()
    with udp, tcp:
        tcp.listen(1)
        thread = threading.Thread(target=_serve, args=(udp, tcp, over_udp, over_tcp))
        thread.start()
        yield udp.getsockname()[1]
        thread.join(5)


def _bound() -> tuple[socket.socket, socket.socket]:
    """Return sockets at one port; one that is free for UDP may be somebody's for TCP."""
    for _ in range(50):
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            return udp, tcp
    raise OSError("no port is free for both")


def _serve(udp: socket.socket, tcp: socket.socket, over_udp: Reply, over_tcp: Reply | None) -> None:
    message, client = udp.recvfrom(4096)
    udp.sendto(over_udp(message), client)
    if over_tcp is not None:
        connection, _ = tcp.accept()
        with connection:
            reply = over_tcp(connection.recv(4096)[2:])
            connection.sendall(struct.pack("!H", len(reply)) + reply)


def answering(*rrsets: dns.rrset.RRset, flags: dns.flags.Flag = dns.flags.AA) -> Reply:
    """Return what answers with these RRsets, their names compressed as usual."""

    def reply(message: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(message))
        answer.flags |= flags
        answer.answer.extend(rrsets)
        return answer.to_wire(max_size=65535)

    return reply


@pytest.mark.parametrize(
    ("kind", "text"),
    (
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("MX", "10 mail.shop.example."),
        ("SRV", "0 1 993 mail.shop.example."),
        ("CNAME", "www.shop.example."),
        ("NS", "ns1.shop.example."),
        ("CAA", '0 issue "ca.example"'),
        ("TXT", "v=spf1 mx -all"),
    ),
)
def test_what_was_written_is_recognised_in_the_answer(kind: str, text: str) -> None:
    record = dns_rdata.parse(kind, text, "records")
    with server(answering(dns.rrset.from_text(ZONE.upper(), 300, "IN", kind, record.text))) as port:
        answer = dns_query.ask("127.0.0.1", ZONE, kind, port=port)
    number = dns_rdata.NUMBERS[kind]
    assert answer == (0, True, (dns_query.Found(ZONE, number, 300, record.wire),), ())


def test_a_soa_record_is_recognised() -> None:
    record = dns_rdata.soa("ns1.shop.example.", "host\\.master.shop.example.", 2026112401, (1, 2, 3, 4))
    with server(answering(dns.rrset.from_text(ZONE, 60, "IN", "SOA", record.text))) as port:
        assert dns_query.ask("127.0.0.1", ZONE, "SOA", port=port).answer[0].wire == record.wire


def test_a_long_answer_comes_over_tcp() -> None:
    record = dns_rdata.parse("TXT", "x" * 4000, "records")
    long = dns.rrset.from_text(ZONE, 300, "IN", "TXT", record.text)
    with server(answering(flags=dns.flags.TC), answering(long)) as port:
        assert dns_query.ask("127.0.0.1", ZONE, "TXT", port=port).answer[0].wire == record.wire


@pytest.mark.parametrize(
    "reply",
    (
        lambda _: b"",
        lambda message: message[:5],
        lambda message: b"\0\0" + answering()(message)[2:],
        lambda message: answering()(message)[:12] + b"\x05wrong\0\0\1\0\1",
        # One answer is promised whose name points at itself.
        lambda message: message[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + message[12:30] + b"\xc0\x1e" + b"\0" * 20,
        lambda message: message[:2] + b"\x84\0\0\1\xff\xff\0\0\0\0" + message[12:30],
    ),
)
def test_a_broken_answer_is_an_answer_that_is_missing(reply: Reply) -> None:
    with server(reply) as port, pytest.raises(dns_query.BadAnswer):
        dns_query.ask("127.0.0.1", ZONE, "A", port=port)


def test_silence_ends_after_the_time_given() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, pytest.raises(dns_query.BadAnswer):
        silent.bind(("127.0.0.1", 0))
        dns_query.ask("127.0.0.1", ZONE, "A", timeout=0.05, port=silent.getsockname()[1])


def rrset(name: str, kind: str, text: str) -> RRset:
    return RRset(name, kind, 300, (dns_rdata.parse(kind, text, "records"),))


def test_glue_below_a_delegation_is_not_asked_for() -> None:
    delegation = rrset(f"child.{ZONE}", "NS", f"ns1.child.{ZONE}")
    glue, other = rrset(f"ns1.child.{ZONE}", "A", "192.0.2.1"), rrset(f"www.{ZONE}", "A", "192.0.2.1")
    names = [(one.name, one.type) for one in (delegation, glue, other)]
    probes = dns_change.probes_of(ZONE, names, [delegation, glue, other], [])
    assert [(probe.key, probe.referral) for probe in probes] == [
        ((f"child.{ZONE}", "NS"), True),
        ((f"www.{ZONE}", "A"), False),
    ]


def test_what_is_gone_is_asked_for_unless_a_wildcard_may_answer() -> None:
    gone = (f"www.{ZONE}", "A")
    assert dns_change.probes_of(ZONE, [], [], [gone]) == [dns_change.Probe(gone, None)]
    assert dns_change.probes_of(ZONE, [(f"*.{ZONE}", "A")], [], [gone]) == []
