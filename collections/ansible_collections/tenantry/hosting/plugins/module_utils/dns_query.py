# SPDX-License-Identifier: Apache-2.0
"""A question to one DNS server and its answer, with nothing but the standard library: nodes have no dnspython."""

from __future__ import annotations

import secrets
import socket
import struct
from typing import NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_names
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import NUMBERS

REFUSED = 5  # RFC 1035 section 4.1.1
_UDP_SIZE = 1232
_TRUNCATED = 0x0200
_AUTHORITATIVE = 0x0400
# Where names stand in the data of a type: (bytes before the first name, number of names).
_NAMES = {NUMBERS["NS"]: (0, 1), NUMBERS["CNAME"]: (0, 1), NUMBERS["SOA"]: (0, 2), NUMBERS["MX"]: (2, 1)}
_NAMES[NUMBERS["SRV"]] = (6, 1)


class BadAnswer(Exception):
    """The server did not answer, or what it sent is no answer to the question."""


class Found(NamedTuple):
    """One record of an answer."""

    name: str
    number: int  # of its type
    ttl: int
    wire: bytes  # names in lower case and uncompressed


class Answer(NamedTuple):
    """What a server said."""

    code: int  # 0 no error, 2 failure, 3 no such name, 5 refused
    authoritative: bool
    answer: tuple[Found, ...]
    authority: tuple[Found, ...]


def ask(address: str, name: str, kind: str, timeout: float = 2.0, port: int = 53) -> Answer:
    """Ask over UDP, and over TCP when the answer is too long for that. Raises BadAnswer."""
    identity = secrets.randbelow(65536)
    question = dns_names.to_wire(name) + struct.pack("!HH", NUMBERS[kind], 1)
    extension = b"\0" + struct.pack("!HHIH", 41, _UDP_SIZE, 0, 0)  # EDNS, RFC 6891
    message = struct.pack("!HHHHHH", identity, 0, 1, 0, 0, 1) + question + extension
    try:
        reply = _over_udp(address, port, message, timeout)
        if _flags(reply) & _TRUNCATED:
            reply = _over_tcp(address, port, message, timeout)
        return _read(reply, identity, question)
    except OSError as error:
        raise BadAnswer(f"{address} does not answer: {error}") from None
    except (IndexError, struct.error, UnicodeDecodeError):
        raise BadAnswer(f"{address} sent something that is no answer") from None


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _over_udp(address: str, port: int, message: bytes, timeout: float) -> bytes:
    with socket.socket(_family(address), socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.connect((address, port))
        channel.send(message)
        return channel.recv(65535)


def _over_tcp(address: str, port: int, message: bytes, timeout: float) -> bytes:
    with socket.create_connection((address, port), timeout) as channel, channel.makefile("rwb") as stream:
        stream.write(struct.pack("!H", len(message)) + message)
        stream.flush()
        return stream.read(struct.unpack("!H", stream.read(2))[0])


def _flags(reply: bytes) -> int:
    return struct.unpack_from("!H", reply, 2)[0]


def _read(reply: bytes, identity: int, question: bytes) -> Answer:
    found, flags, _, answers, authorities, _ = struct.unpack_from("!HHHHHH", reply)
    if found != identity or reply[12 : 12 + len(question)].lower() != question.lower():
        raise BadAnswer("the answer belongs to another question")
    offset = 12 + len(question)
    first, offset = _records(reply, offset, answers)
    second, _ = _records(reply, offset, authorities)
    return Answer(flags & 15, bool(flags & _AUTHORITATIVE), first, second)


def _records(reply: bytes, offset: int, count: int) -> tuple[tuple[Found, ...], int]:
    records = []
    for _ in range(count):
        name, offset = _name(reply, offset)
        number, _, ttl, length = struct.unpack_from("!HHIH", reply, offset)
        offset += 10
        records.append(Found(_text(name), number, ttl, _plain(reply, offset, length, number)))
        offset += length
    return tuple(records), offset


def _plain(reply: bytes, offset: int, length: int, number: int) -> bytes:
    """Return a record's data with its names uncompressed and in lower case."""
    end = offset + length
    before, names = _NAMES.get(number, (length, 0))
    plain = reply[offset : offset + before]
    offset += before
    for _ in range(names):
        name, offset = _name(reply, offset)
        plain += name
    return plain + reply[offset:end]


def _name(reply: bytes, offset: int) -> tuple[bytes, int]:
    """Return a name as uncompressed lower-case labels, and the offset after it."""
    name, after, jumps = b"", None, 0
    while True:
        length = reply[offset]
        if length >= 0xC0:
            after = offset + 2 if after is None else after
            offset = struct.unpack_from("!H", reply, offset)[0] & 0x3FFF
            jumps += 1
            if jumps > 64:
                raise BadAnswer("the answer has a name that points in a circle")
            continue
        name += reply[offset : offset + 1 + length].lower()
        offset += 1 + length
        if length == 0:
            return name, offset if after is None else after


def _text(name: bytes) -> str:
    labels, offset = [], 0
    while name[offset]:
        length = name[offset]
        labels.append(name[offset + 1 : offset + 1 + length].decode("ascii"))
        offset += 1 + length
    return ".".join(labels) + "."
