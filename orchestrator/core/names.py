"""Names that may leave the database: each function returns the canonical form or raises InvalidInput.

Everything downstream (paths, server names, zones, maps) is built from these values only: a grammar of the whole value
keeps a customer's text from becoming configuration.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from orchestrator.core.errors import InvalidInput

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_USERNAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_EMAIL_MAXIMUM = 254  # RFC 5321 section 4.5.3.1.3 less the angle brackets
_DOMAIN_MAXIMUM = 253  # RFC 1035 section 3.1, in text form

# RFC 6761 and 6762 names that can never be delegated to a customer; .test and .example stay usable for trials.
_SPECIAL_SUFFIXES = ("localhost", "local", "invalid", "onion", "arpa")
_RESERVED_USERS = frozenset(
    (
        *(
            "root",
            "daemon",
            "bin",
            "sys",
            "sync",
            "games",
            "man",
            "lp",
            "mail",
            "news",
            "uucp",
            "proxy",
            "backup",
            "list",
        ),
        *("irc", "nobody", "messagebus", "sshd", "postfix", "dovecot", "dovenull", "vmail", "mysql", "pdns", "deploy"),
        *("tenantry", "admin", "ubuntu", "debian"),
    )
)


def domain(value: object, field: str = "domain") -> str:
    """Return a host name in A-label form: lower case, no trailing dot, IDN converted by IDNA 2008 (UTS 46 mapping).

    Raises InvalidInput for what is no name of at least two labels, for an address, and for a special-use name.
    """
    if not isinstance(value, str):
        raise InvalidInput(field, f"is {_kind(value)}, not text", "give a domain such as shop.example")
    text = value.strip(" ").removesuffix(".")
    if not text:
        raise InvalidInput(field, "is empty", "give a domain such as shop.example")
    if len(text) > _DOMAIN_MAXIMUM:  # in A-label form it would only be longer
        raise InvalidInput(field, f"has {len(text)} characters, {_DOMAIN_MAXIMUM} are allowed", "shorten it")
    ascii_name = text.lower() if text.isascii() else _to_ascii(text, field)
    _check_labels(ascii_name, field)
    if ascii_name.rsplit(".", 1)[-1] in _SPECIAL_SUFFIXES:
        raise InvalidInput(field, f"{shown(ascii_name)} ends in a special-use name", "use a public domain")
    return ascii_name


def _to_ascii(text: str, field: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidInput(
            field,
            f"{shown(text)} is no valid international domain ({shown(str(error))})",
            "check the spelling",
        ) from None


def _check_labels(name: str, field: str) -> None:
    if len(name) > _DOMAIN_MAXIMUM:
        raise InvalidInput(field, f"has {len(name)} characters, {_DOMAIN_MAXIMUM} are allowed", "shorten it")
    if _is_address(name):
        raise InvalidInput(field, f"{shown(name)} is an IP address", "give a domain name")
    labels = name.split(".")
    if len(labels) < 2:
        raise InvalidInput(field, f"{shown(name)} has no dot", "give a full domain such as shop.example")
    for label in labels:
        _check_label(label, name, field)
    if labels[-1].isdigit() or re.fullmatch("0x[0-9a-f]*", labels[-1]):  # resolvers read these as IPv4 addresses
        raise InvalidInput(field, f"{shown(name)} ends in a number", "give a domain name")


def _check_label(label: str, name: str, field: str) -> None:
    if not _LABEL.fullmatch(label):
        raise InvalidInput(
            field,
            f"{shown(name)} has the part {shown(label)}",
            "parts are 1-63 of a-z, 0-9 and inner hyphens",
        )
    if label[2:4] == "--":
        try:
            idna.decode(label)
        except (idna.IDNAError, UnicodeError):
            raise InvalidInput(field, f"{shown(label)} is no valid A-label", "give the Unicode form") from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def username(value: object, field: str = "username") -> str:
    """Return a UNIX user name for an account: a-z0-9, 2 to 31 characters, not one a system uses itself."""
    if not isinstance(value, str) or not _USERNAME.fullmatch(value):
        raise InvalidInput(field, f"{shown(value)} is not usable", "use 2-31 of a-z and 0-9, a letter first")
    if value in _RESERVED_USERS:
        raise InvalidInput(field, f"{value} is reserved", "choose another name")
    return value


def local_part(value: object, field: str = "local_part") -> str:
    """Return the part of a mail address before the @, lower case (a strict subset of RFC 5321's)."""
    text = value.lower() if isinstance(value, str) else value
    if not isinstance(text, str) or not _LOCAL_PART.fullmatch(text) or ".." in text:
        raise InvalidInput(field, f"{shown(value)} is not usable", "use 1-64 of a-z, 0-9 and inner . _ + -")
    return text


def email(value: object, field: str = "contact_email") -> str:
    """Return a mail address whose domain is normalised; the local part keeps its case."""
    if not isinstance(value, str) or value.count("@") != 1 or len(value) > _EMAIL_MAXIMUM:
        raise InvalidInput(field, f"{shown(value)} is no mail address", "use name@domain")
    local, host = value.split("@")
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", local):
        raise InvalidInput(field, f"{shown(value)} has an unusable part before the @", "use name@domain")
    return f"{local}@{domain(host, field)}"


def word(value: object, field: str) -> str:
    """Return a name an operator chose (server, group, package): 1-63 of letters, digits, dot, underscore, hyphen."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise InvalidInput(
            field,
            f"{shown(value)} is not usable",
            "use 1-63 letters, digits, . _ - and begin with a letter or digit",
        )
    return value


def address(value: object, field: str = "address") -> str:
    """Return where a server is reached: an IP address or a host name (never something ssh could take for an option).

    A zone ("fe80::1%eth0") may be any text, even a template for ansible, and is refused.
    """
    if isinstance(value, str) and "%" not in value and _is_address(value):
        return str(ipaddress.ip_address(value.strip("[]")))
    return domain(value, field)


def overlaps(one: str, other: str) -> bool:
    """True when two domains are equal or one lies below the other."""
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def parents(name: str) -> list[str]:
    """Return the proper ancestors of a domain that still have two labels: a.b.c.d gives b.c.d and c.d."""
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels) - 1)]


def shown(value: object, limit: int = 60) -> str:
    """Return a value quoted for a message: bounded and without control characters."""
    text = value if isinstance(value, str) else _kind(value)
    cleaned = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[: limit + 1]
    )
    return f"“{cleaned[:limit]}…”" if len(text) > limit else f"“{cleaned}”"


def _kind(value: object) -> str:
    kinds = {bool: "a yes/no value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "missing" if value is None else kinds.get(type(value), "of an unusable type")


def is_ipv4(text: str) -> bool:
    """True for an IPv4 address."""
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def ip_address(value: str, field: str, version: int) -> str:
    """Return an address of this IP version in its canonical form."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise InvalidInput(field, f"{shown(value)} is no IPv{version} address", "check it")
    return str(found)
