# SPDX-License-Identifier: Apache-2.0
"""What records say: each type's own grammar, the text that PowerDNS keeps, and the bytes that it has to answer."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_names, grammar
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown

NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "CAA": 257}
# The comment at a record set in a zone of another service; its account names the service.
OWN_RECORD = "tenantry: belongs to the service of this account"
_TXT_STRING = 255  # RFC 1035 section 3.3: a character string has at most 255 bytes
_TXT_MAXIMUM = 4096
_CAA_TAG = re.compile(r"[a-z0-9]{1,15}")
_CAA_VALUE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]?(?:[\x20\x21\x23-\x5b\x5d-\x7e]{0,253}[\x21\x23-\x5b\x5d-\x7e])?")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-9]{3}|.)", re.DOTALL)
_U16 = (0, 65535)


class Rdata(NamedTuple):
    """One record's content."""

    text: str  # as PowerDNS keeps it
    wire: bytes  # names in lower case and uncompressed


class RRset(NamedTuple):
    """All records of one name and type."""

    name: str
    type: str
    ttl: int
    records: tuple[Rdata, ...]
    disabled: bool = False  # kept by the server and not answered
    holder: str = ""  # the service it belongs to, when that is another than the zone's

    def shown(self) -> str:
        """Return the records for --diff, one a line."""
        return "".join(shown_line(self.name, self.ttl, self.type, one.text, self.disabled) for one in self.records)


def shown_line(name: str, ttl: int, kind: str, text: str, disabled: bool) -> str:
    """Return a record for --diff."""
    return f"{name} {ttl} IN {kind} {text}{' ; disabled' if disabled else ''}\n"


def parse(kind: str, text: str, field: str) -> Rdata:
    """Return one record of a customer's zone in canonical form; StepFailed names the field and the reason."""
    return _PARSERS[kind](text, field)


def kinds() -> tuple[str, ...]:
    """Return the types that a zone of ours may hold besides its SOA."""
    return tuple(sorted(_PARSERS))


def _address(family: int, what: str) -> Callable[[str, str], Rdata]:
    def read(text: str, field: str) -> Rdata:
        try:
            wire = socket.inet_pton(family, text)
        except (OSError, ValueError):
            raise refuse(field, f"{shown(text)} is no {what} address", "check it") from None
        canonical = socket.inet_ntop(family, wire)
        if family == socket.AF_INET6 and "." in canonical:  # PowerDNS does not take them, and nobody can reach them
            raise refuse(field, f"{shown(text)} is an IPv4 address in the form of IPv6", "use an A record")
        return Rdata(canonical, wire)

    return read


def _cname(text: str, field: str) -> Rdata:
    name = dns_names.host(text, field, underscore=True)
    return Rdata(name, dns_names.to_wire(name))


def name_server(text: str, field: str) -> Rdata:
    """Return an NS record."""
    name = dns_names.host(text, field)
    return Rdata(name, dns_names.to_wire(name))


def _mx(text: str, field: str) -> Rdata:
    preference, target = _words(text, field, 2, "10 mail.shop.example.")
    number = _number(preference, field, _U16)
    if target == ".":  # RFC 7505: this domain takes no mail
        if number != 0:
            raise refuse(field, "an MX without a host has another preference than 0", "write 0 .")
        return Rdata("0 .", b"\0\0\0")
    name = dns_names.host(target, field)
    return Rdata("%d %s" % (number, name), struct.pack("!H", number) + dns_names.to_wire(name))


def _srv(text: str, field: str) -> Rdata:
    *words, target = _words(text, field, 4, "0 1 993 mail.shop.example.")
    numbers = [_number(word, field, _U16) for word in words]
    # RFC 2782: a target "." says that there is no such service.
    name = target if target == "." else dns_names.host(target, field)
    wire = struct.pack("!HHH", *numbers) + (b"\0" if name == "." else dns_names.to_wire(name))
    return Rdata("%d %d %d %s" % (*numbers, name), wire)


def _caa(text: str, field: str) -> Rdata:
    """RFC 8659: flags, tag and value; the value may stand in quotes."""
    flags, tag, value = _words(text, field, 3, '0 issue "ca.example"')
    number = _number(flags, field, (0, 255))
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if not _CAA_TAG.fullmatch(tag.lower()) or not _CAA_VALUE.fullmatch(value):
        raise refuse(field, f"{shown(text)} is no CAA record", 'write for example 0 issue "ca.example"')
    encoded = tag.lower().encode()
    return Rdata('%d %s "%s"' % (number, tag.lower(), value), bytes([number, len(encoded)]) + encoded + value.encode())


def _txt(text: str, field: str) -> Rdata:
    """A TXT record of raw text: its bytes are published as they are, split into strings of 255."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise refuse(field, f"{shown(text)} has a control character", "leave it out")
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise refuse(field, f"{shown(text)} is no valid Unicode text", "check it") from None
    if len(content) > _TXT_MAXIMUM:
        raise refuse(field, "has %d bytes" % len(content), "use at most %d" % _TXT_MAXIMUM)
    parts = [content[start : start + _TXT_STRING] for start in range(0, len(content), _TXT_STRING)] or [b""]
    wire = b"".join(bytes([len(part)]) + part for part in parts)
    return Rdata(" ".join(f'"{_quoted(part)}"' for part in parts), wire)


def stored_txt(content: str) -> Rdata:
    """Return a TXT record as PowerDNS keeps it; what we have not written may be quoted in another way (RFC 1035 section 5.1)."""
    parts = [_ESCAPE.sub(_plain, found.encode()) for found in _STRING.findall(content)]
    wire = b"".join(bytes([len(part)]) + part for part in parts)
    return Rdata(content, wire)


def _plain(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1]) & 0xFF]) if found[1].isdigit() else found[1]


def _quoted(part: bytes) -> str:
    return "".join(_escaped(byte) for byte in part)


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte < 0x7F else "\\%03d" % byte


def soa(mname: str, rname: str, serial: int, timers: tuple[int, int, int, int]) -> Rdata:
    """Return a SOA record of checked values; the timers are refresh, retry, expire and minimum in seconds."""
    numbers = (serial, *timers)
    text = "%s %s %s" % (mname, rname, " ".join(str(number) for number in numbers))
    return Rdata(text, dns_names.to_wire(mname) + dns_names.to_wire(rname) + struct.pack("!IIIII", *numbers))


def _words(text: str, field: str, count: int, example: str) -> list[str]:
    """Split at single spaces; the last word keeps those it has."""
    words = text.split(" ", count - 1)
    if len(words) != count or not all(words):
        raise refuse(field, f"{shown(text)} has not {count} parts", f"write for example {example}")
    return words


def _number(word: str, field: str, bounds: tuple[int, int]) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", word):
        raise refuse(field, f"{shown(word)} is no number", "give %d to %d" % bounds)
    return grammar.whole(int(word), field, *bounds)


_PARSERS: Mapping[str, Callable[[str, str], Rdata]] = {
    "A": _address(socket.AF_INET, "IPv4"),
    "AAAA": _address(socket.AF_INET6, "IPv6"),
    "CAA": _caa,
    "CNAME": _cname,
    "MX": _mx,
    "NS": name_server,
    "SRV": _srv,
    "TXT": _txt,
}
