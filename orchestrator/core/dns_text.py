"""DNS records of the customer's own: names, types and contents, each in canonical form or refused with the reason.

RFC 1035 and its successors; the DNS servers check the same again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

import idna

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "SRV", "TXT")
RECORDS_MAXIMUM = 50  # of one name and type
TEXT_MAXIMUM = 2048  # bytes of a TXT record
TOTAL_MAXIMUM = 16_384  # bytes of all records of one name and type
_NAME_MAXIMUM = 253  # RFC 1035 section 3.1, in text form and without the last dot
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CAA_TAG = re.compile(r"[a-z0-9]{1,15}")
_CAA_VALUE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{0,255}")
FIELD = "records"


def kind(value: object) -> str:
    """Return a type of record that a customer may set."""
    found = value.upper() if isinstance(value, str) else value
    if found not in TYPES:
        raise InvalidInput("type", f"{shown(value)} is not possible", f"use one of {', '.join(TYPES)}")
    return str(found)


def name(value: object, zone: str, field: str = "name") -> str:
    """Return the absolute name of a record in a zone (without its last dot): "@", "www", "www.shop.example." alike."""
    if not isinstance(value, str) or not value.strip(" ") or len(value) > 1000:
        raise InvalidInput(field, f"{shown(value)} is no name", f"give @ for {zone} itself, or a name such as www")
    text = value.strip(" ").lower()
    if text == "@":
        return f"{zone}."
    is_whole = text.removesuffix(".") == zone or text.removesuffix(".").endswith(f".{zone}")
    if text.endswith(".") and not is_whole:
        raise InvalidInput(field, f"{shown(value)} is not in {zone}", "give a name below it, without the last dot")
    labels = text.removesuffix(".").split(".") if is_whole else [*text.split("."), *zone.split(".")]
    found = ".".join(_label(label, value, field, is_first=number == 0) for number, label in enumerate(labels))
    if len(found) > _NAME_MAXIMUM:
        raise InvalidInput(field, f"{shown(found)} has more than {_NAME_MAXIMUM} characters", "shorten it")
    return f"{found}."


def _label(label: str, value: str, field: str, is_first: bool) -> str:
    found = label if label.isascii() else _a_label(label)
    if not (_LABEL.fullmatch(found) or (is_first and found == "*")):
        remedy = "parts are 1-63 of a-z, 0-9, _ and inner hyphens; only the first may be *"
        raise InvalidInput(field, f"{shown(value)} is not usable", remedy)
    return found


def _a_label(label: str) -> str:
    try:
        return idna.encode(label, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return ""


def contents(record_type: str, given: object) -> list[str]:
    """Return the contents of all records of one name and type, each once."""
    if not isinstance(given, list) or not 1 <= len(given) <= RECORDS_MAXIMUM:
        raise InvalidInput(FIELD, "is no list of records", f"give a list of 1 to {RECORDS_MAXIMUM} texts")
    found = list(dict.fromkeys(_content(record_type, one) for one in given))
    if sum(len(one.encode()) for one in found) > TOTAL_MAXIMUM:
        raise InvalidInput(FIELD, f"have more than {TOTAL_MAXIMUM} bytes together", "use fewer or shorter ones")
    if record_type == "CNAME" and len(found) > 1:
        raise InvalidInput(FIELD, "a CNAME has one record only", "leave the others out")
    if record_type == "MX" and "0 ." in found and len(found) > 1:  # RFC 7505 section 3
        raise InvalidInput(FIELD, "“0 .” says that no mail is taken", "leave it or the others out")
    return found


def _content(record_type: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(FIELD, f"{shown(value)} is no {record_type} record", "give a text that is not empty")
    return _PARSERS[record_type](value)


def _address(version: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            found = None
        if found is None or found.version != version or "%" in text:
            raise InvalidInput(FIELD, f"{shown(text)} is no IPv{version} address", "check it")
        if isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped or "." in str(found)):
            raise InvalidInput(FIELD, f"{shown(text)} is an IPv4 address in the form of IPv6", "use an A record")
        return str(found)

    return read


def _target(text: str, underscore: bool = False) -> str:
    lower = text.lower()
    if not lower.endswith("."):
        raise InvalidInput(
            FIELD, f"{shown(text)} is not absolute", f"end the whole name with a dot: {shown(text + '.')}"
        )
    grammar = _LABEL if underscore else _HOST_LABEL
    if len(lower) - 1 > _NAME_MAXIMUM or not all(grammar.fullmatch(label) for label in lower[:-1].split(".")):
        raise InvalidInput(FIELD, f"{shown(text)} is no host name", "give a whole name such as mail.shop.example.")
    if lower[:-1].rsplit(".", 1)[-1].isdigit():
        raise InvalidInput(FIELD, f"{shown(text)} is an address", "give the name of a host")
    return lower


def _cname(text: str) -> str:
    return _target(text, underscore=True)


def _mx(text: str) -> str:
    preference, target = _words(text, 2, "10 mail.shop.example.")
    number = _number(preference, 65_535)
    if target == "." and number:  # RFC 7505: this domain takes no mail
        raise InvalidInput(FIELD, f"{shown(text)} names no host", "write 0 . when no mail is taken")
    return f"{number} {target if target == '.' else _target(target)}"


def _srv(text: str) -> str:
    *words, target = _words(text, 4, "0 1 993 mail.shop.example.")
    numbers = " ".join(str(_number(word, 65_535)) for word in words)
    return (
        f"{numbers} {target if target == '.' else _target(target)}"  # RFC 2782: "." says that there is no such service
    )


def _caa(text: str) -> str:
    """RFC 8659: flags, tag and value; the value may stand in quotes."""
    flags, tag, value = _words(text, 3, '0 issue "ca.example"')
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    is_padded = value != value.strip(" ")
    if not _CAA_TAG.fullmatch(tag.lower()) or not _CAA_VALUE.fullmatch(value) or is_padded:
        raise InvalidInput(FIELD, f"{shown(text)} is no CAA record", 'write for example 0 issue "ca.example"')
    return f'{_number(flags, 255)} {tag.lower()} "{value}"'


def _txt(text: str) -> str:
    """A TXT record's text is published as it is; the DNS server splits it into strings."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise InvalidInput(FIELD, f"{shown(text)} has a control character", "leave it out")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(FIELD, f"{shown(text)} is no valid Unicode text", "check it") from None
    if size > TEXT_MAXIMUM:
        raise InvalidInput(FIELD, f"a TXT record has {size} bytes", f"use at most {TEXT_MAXIMUM}")
    return text


def _words(text: str, count: int, example: str) -> list[str]:
    words = text.strip(" ").split(None, count - 1) if text.isascii() and text.isprintable() else []
    if len(words) != count:
        raise InvalidInput(FIELD, f"{shown(text)} has not {count} parts", f"write for example {example}")
    return words


def _number(word: str, high: int) -> int:
    if not re.fullmatch("[0-9]{1,5}", word) or int(word) > high:
        raise InvalidInput(FIELD, f"{shown(word)} is out of range", f"give a number from 0 to {high}")
    return int(word)


_PARSERS: Mapping[str, Callable[[str], str]] = {
    "A": _address(4),
    "AAAA": _address(6),
    "CAA": _caa,
    "CNAME": _cname,
    "MX": _mx,
    "SRV": _srv,
    "TXT": _txt,
}
