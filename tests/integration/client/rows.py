"""Changes that can never work: what is asked for, and what the answer says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"
RSA_1024 = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDJPVvc2FtY6xFPXRWRxr2ogFHt90LiFGbtEb0bFGH3ZTnYGk7VBcsyxo6nmNOiObfTlRRfAXOcWkRZ"
    "T1HDxyHDQjZCxDpvOsMHBrYMXPbfxQeDkIXWBIf2NnE0PgiWBUpBiTwhdrZZSKdCnAA7zySWHMrAwVV2SJ1JW6tPTIr/mQ=="
)
SEALED = object()  # stands for a good sealed password


@dataclass(frozen=True)
class Row:
    """A change that is refused; ``says`` are words of the answer: the field first."""

    name: str
    action: str
    params: dict[str, Any]
    says: tuple[str, ...]


def _rows(action: str, good: dict[str, Any], *bad: tuple[str, dict[str, Any], str]) -> tuple[Row, ...]:
    """Return a row for each mistake in otherwise good params; the value None leaves a key out."""
    found = []
    for name, change, says in bad:
        params = {key: value for key, value in {**good, **change}.items() if value is not None}
        found.append(Row(f"{action} {name}", action, params, tuple(says.split("|"))))
    return tuple(found)


_NAMES: tuple[tuple[str, Any], ...] = (
    ("that is a path", "../x"),
    ("in capitals", "Blog"),
    ("with a space", "a b"),
    ("with a hyphen", "a-b"),
    ("with a wildcard", "a%"),
    ("with a quote", "a`b"),
    ("with a line", "a\n"),
    ("with a NUL", "a\0"),
    ("that begins with _", "_a"),
    ("of a list", ["a"]),
    ("of a number", 7),
    ("of a template", "{{ 7 }}"),
    ("in another script", "б"),
)
DATABASES = _rows(
    "web.database_present",
    {"name": "a", "password_sealed": SEALED},
    ("without a name", {"name": None}, "name: is missing"),
    ("with an empty name", {"name": ""}, "name: is missing"),
    ("with a long name", {"name": "a" * 59}, "name: |too long|58"),
    ("with a very long name", {"name": "a" * 70_000}, "params: |characters"),
    *((name, {"name": value}, "name: |is not usable") for name, value in _NAMES),
    ("without a password", {"password_sealed": None}, "password_sealed: is missing"),
    ("with a password in clear", {"password_sealed": "correct horse"}, "password_sealed: "),
    ("with the whole name of another", {"username": "w1002"}, "params.username: is not known"),
    ("with a hash", {"password_hash": "*" + "A" * 40}, "params.password_hash: is not known|password_sealed"),
)
SFTP = _rows(
    "web.sftp_present",
    {"name": "up", "public_keys": [ED25519]},
    ("without a name", {"name": None}, "name: is missing"),
    ("with a long name", {"name": "a" * 27}, "name: |too long|26"),
    *((name, {"name": value}, "name: |is not usable") for name, value in _NAMES),
    ("without a way in", {"public_keys": None}, "password_sealed: is missing, and there is no key"),
    ("with no key in the list", {"public_keys": []}, "password_sealed: is missing, and there is no key"),
    ("with keys of a text", {"public_keys": ED25519}, "public_keys: is no list"),
    ("with too many keys", {"public_keys": [ED25519] * 21}, "public_keys: |at most 20"),
    ("with a key of a number", {"public_keys": [7]}, "public_keys: |is no public key"),
    ("with options before a key", {"public_keys": [f'command="id" {ED25519}']}, "public_keys: |no type of key"),
    ("with an old type", {"public_keys": ["ssh-dss AAAAB3NzaC1kc3M="]}, "public_keys: |no type of key"),
    ("with a key of no base64", {"public_keys": ["ssh-ed25519 AAAA!!!!"]}, "public_keys: |is no ssh-ed25519 key"),
    ("with a key that is cut off", {"public_keys": [ED25519[:-8]]}, "public_keys: |is no ssh-ed25519 key"),
    (
        "with a key of another type",
        {"public_keys": [ED25519.replace("ed25519", "rsa", 1)]},
        "public_keys: |no ssh-rsa key",
    ),
    ("with a weak key", {"public_keys": [RSA_1024]}, "public_keys: |2048"),
    ("with two keys in a line", {"public_keys": [f"{ED25519}\n{ED25519}"]}, "public_keys: |is no public key"),
    ("with a private key", {"public_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "public_keys: |no type of key"),
    ("with the home as folder", {"folder": "."}, "folder: |is not usable"),
    ("with a folder above", {"folder": "www/../.."}, "folder: |is not usable"),
    ("with a whole path", {"folder": "/etc"}, "folder: |is not usable"),
    ("with a folder beside", {"folder": "wwwx"}, "folder: |is not usable"),
    ("with an empty part", {"folder": "www//a"}, "folder: |is not usable"),
    ("with a folder of a line", {"folder": "www/a\n"}, "folder: |is not usable"),
    ("with a deep folder", {"folder": "www" + "/a" * 9}, "folder: |is not usable"),
    ("with a long folder", {"folder": "www/" + "a" * 64 + "/" + "b" * 64 + "/" + "c" * 64 + "/dd"}, "folder: "),
    ("with a folder of a list", {"folder": ["www"]}, "folder: |is not usable"),
)
_SCHEDULES: tuple[tuple[str, Any, str], ...] = (
    ("of nothing", "", "schedule: is missing"),
    ("of a number", 5, "schedule: "),
    ("of words", "every day", "five fields"),
    ("of four fields", "* * * *", "five fields"),
    ("of six fields", "* * * * * *", "five fields"),
    ("of seconds", "*/5 * * * * *", "five fields"),
    ("of a line more", "* * * * *\n* * * * *", "schedule: "),
    ("at start", "@reboot", "five fields"),
    ("of a year", "@yearly", "five fields"),
    ("at minute 60", "60 * * * *", "minute |0 to 59"),
    ("at hour 24", "0 24 * * *", "hour |0 to 23"),
    ("on day 0", "0 0 0 * *", "day of the month |1 to 31"),
    ("on day 32", "0 0 32 * *", "day of the month |1 to 31"),
    ("in month 13", "0 0 1 13 *", "month |1 to 12"),
    ("on weekday 8", "0 0 * * 8", "day of the week |0 to 7"),
    ("on a day there is not", "0 0 31 2,4 *", "never comes"),
    ("backwards", "30-10 * * * *", "smaller number"),
    ("with a step of 0", "*/0 * * * *", "step from 1"),
    ("with a step of too much", "*/60 * * * *", "step from 1 to 59"),
    ("with a step of one number", "5/10 * * * *", "to a range"),
    ("with a negative number", "-5 * * * *", "minute "),
    ("with a name of a month as day", "0 0 * * jan", "day of the week "),
    ("with a command behind", "* * * * * touch", "five fields"),
    ("with an empty item", "1,,2 * * * *", "minute "),
    ("for systemd", "*-*-* 00:00:00", "five fields"),
    ("that is too long", ",".join(str(one) for one in range(60)) + " * * * *", "five fields"),
    ("of other digits", "٣ * * * *", "five fields"),
)
CRON = _rows(
    "web.cron_present",
    {"name": "a", "schedule": "@daily", "command": "true"},
    ("without a name", {"name": None}, "name: is missing"),
    ("with a name in capitals", {"name": "Job"}, "name: |is not usable"),
    ("with a name of a path", {"name": "../x"}, "name: |is not usable"),
    ("with a long name", {"name": "a" * 33}, "name: |is not usable"),
    ("with an option as name", {"name": "-a"}, "name: |is not usable"),
    ("with a unit's name", {"name": "a@b.service"}, "name: |is not usable"),
    *((f"with a schedule {name}", {"schedule": value}, f"schedule|{says}") for name, value, says in _SCHEDULES),
    ("without a command", {"command": None}, "command: is missing"),
    ("with a blank command", {"command": "   "}, "command: |is no command"),
    ("with a command of two lines", {"command": "true\nfalse"}, "command: |one line"),
    ("with a command with a NUL", {"command": "true\0"}, "command: |one line"),
    ("with a long command", {"command": "x" * 1001}, "command: |1001"),
    ("with a command of a list", {"command": ["true"]}, "command: "),
    ("with an enabled of text", {"enabled": "yes"}, "enabled: |true or false"),
    ("with an enabled of a number", {"enabled": 1}, "enabled: |true or false"),
)
WEBSITE = (
    *_rows(
        "web.php_present",
        {},
        ("of nothing", {}, "version: is missing"),
        ("of words", {"version": "latest"}, "version: is no PHP version"),
        ("of three numbers", {"version": "8.2.1"}, "version: is no PHP version"),
        ("of a number", {"version": 8.2}, "version: is no PHP version"),
        ("of a path", {"version": "8.2/../../x"}, "version: is no PHP version"),
    ),
    *_rows(
        "web.proxy_present",
        {"template": "reverse", "upstream": "http://127.0.0.1:3000"},
        ("of nothing", {"template": None}, "template: is missing"),
        ("that is not known", {"template": "perl"}, "template: |static, php, reverse"),
        ("of a list", {"template": ["php"]}, "template: "),
        ("without an upstream", {"upstream": None}, "upstream: is missing"),
        ("with an upstream to no use", {"template": "php"}, "upstream: |has none"),
        ("to another machine", {"upstream": "http://192.0.2.1:3000"}, "upstream: |127.0.0.1"),
        ("to a port of the system's", {"upstream": "http://127.0.0.1:80"}, "upstream: "),
        ("to a port below", {"upstream": "http://127.0.0.1:1023"}, "upstream: "),
        ("to a port above", {"upstream": "http://127.0.0.1:65536"}, "upstream: "),
        ("by https", {"upstream": "https://127.0.0.1:3000"}, "upstream: "),
        ("with a path", {"upstream": "http://127.0.0.1:3000/x"}, "upstream: "),
        ("with a name", {"upstream": "http://me@127.0.0.1:3000"}, "upstream: "),
        ("with a line", {"upstream": "http://127.0.0.1:3000\n"}, "upstream: "),
        ("for nginx", {"upstream": "http://127.0.0.1:3000; } server {"}, "upstream: "),
        ("to a socket", {"upstream": "unix:/run/php/other.sock"}, "upstream: "),
    ),
)
DOMAINS = _rows(
    "web.domain_present",
    {},
    ("of nothing", {}, "domain: is missing"),
    ("that is the service's own", {"domain": "SHOP.test."}, "domain: |own name"),
    ("that is the service's www", {"domain": "www.shop.test"}, "domain: |own name"),
    ("of another service", {"domain": "owned.test"}, "domain: |overlaps owned.test"),
    ("below another service's", {"domain": "x.owned.test"}, "domain: |overlaps owned.test"),
    ("above another service's", {"domain": "parent.test"}, "domain: |overlaps child.parent.test"),
    ("of a server", {"domain": "provider.test"}, "domain: |server name"),
    ("that the mail uses", {"domain": "mail.shop.test"}, "domain: |a use of its own"),
    ("of a name server", {"domain": "ns1.shop.test"}, "domain: |a use of its own"),
    ("without a dot", {"domain": "shop"}, "domain: |no dot"),
    ("with a wildcard", {"domain": "*.shop.test"}, "domain: |the part"),
    ("for nginx", {"domain": "x.test; } server {"}, "domain: |the part"),
)
MAILBOXES = (
    *_rows(
        "mail.mailbox_present",
        {"local_part": "a", "password_sealed": SEALED},
        ("with an enabled of text", {"enabled": "no"}, "enabled: |true or false"),
        ("with a quota above the package's", {"quota_mb": 1001}, "quota_mb: |mail_disk_mb, 1000"),
        ("with a quota of nothing", {"quota_mb": 0}, "quota_mb: "),
    ),
    *_rows(
        "mail.mailbox_absent",
        {},
        ("of nothing", {}, "local_part: is missing"),
        ("of the first one", {"local_part": "Postmaster"}, "local_part: |must have"),
        ("of two", {"local_part": "a,b"}, "local_part: |is not usable"),
    ),
)
MAIL_ALIASES = _rows(
    "mail.alias_present",
    {"local_part": "sales", "destinations": ["me@else.example"]},
    ("without a name", {"local_part": None}, "local_part: is missing"),
    ("of all addresses", {"local_part": "*"}, "local_part: "),
    ("without a destination", {"destinations": None}, "destinations: is missing"),
    ("with no destination", {"destinations": []}, "destinations: is empty"),
    ("with a text", {"destinations": "me@else.example"}, "destinations: is no list"),
    ("with 51", {"destinations": [f"u{one}@else.example" for one in range(51)]}, "destinations: |at most 50"),
    ("to a command", {"destinations": ["|/bin/sh"]}, "destinations: |no mail address"),
    ("to a file", {"destinations": ["/etc/passwd"]}, "destinations: |no mail address"),
    ("to a list file", {"destinations": [":include:/etc/passwd"]}, "destinations: |no mail address"),
    ("to a quoted command", {"destinations": ['"|id"@else.example']}, "destinations: "),
    ("to a user of the machine", {"destinations": ["root"]}, "destinations: |no mail address"),
    ("to two in one", {"destinations": ["a@x.example, b@x.example"]}, "destinations: "),
    ("to an option", {"destinations": ["-oQ/tmp@x.example"]}, "destinations: "),
    ("to a line more", {"destinations": ["a@x.example\nroot"]}, "destinations: "),
    ("to an address of numbers", {"destinations": ["a@192.0.2.1"]}, "destinations: "),
    ("to a route", {"destinations": ["a%b@x.example"]}, "destinations: "),
    ("to a number", {"destinations": [7]}, "destinations: "),
    ("to a server", {"destinations": ["root@ns1.provider.test"]}, "destinations: |of a server"),
    ("to itself", {"destinations": ["Sales@shop.test"]}, "destinations: |itself"),
    ("to itself with a tag", {"destinations": ["sales+x@shop.test"]}, "destinations: |itself"),
    ("of a mailbox that gets no copy", {"local_part": "postmaster"}, "destinations: |would get no mail"),
    ("with an enabled of text", {"enabled": "true"}, "enabled: "),
)


def _records(title: str, kind: str, records: Any, says: str, /, **more: Any) -> tuple[str, dict[str, Any], str]:
    return f"{kind} {title}", {"type": kind, "records": records, **more}, says


RECORDS = _rows(
    "dns.record_present",
    {"name": "x", "type": "A", "records": ["192.0.2.1"]},
    ("without a name", {"name": None}, "name: is missing"),
    ("in another zone", {"name": "x.else.example."}, "name: |is not in shop.test"),
    ("with a name of a path", {"name": "a/b"}, "name: |is not usable"),
    ("with an inner wildcard", {"name": "a.*"}, "name: |is not usable"),
    ("with an empty part", {"name": "a..b"}, "name: |is not usable"),
    ("with a long part", {"name": "a" * 64}, "name: |is not usable"),
    ("with a long name", {"name": ".".join(["a" * 60] * 5)}, "name: |253"),
    ("with a name of a number", {"name": 7}, "name: |is no name"),
    ("with a name of a line", {"name": "a\nb"}, "name: |is not usable"),
    ("with a hyphen at the end", {"name": "a-"}, "name: |is not usable"),
    ("without a type", {"type": None}, "type: is missing"),
    ("of type SOA", {"type": "SOA"}, "type: |A, AAAA"),
    ("of type NS", {"type": "NS", "name": "@"}, "type: |A, AAAA"),
    ("of type ANY", {"type": "any"}, "type: |A, AAAA"),
    ("of type LUA", {"type": "LUA"}, "type: |A, AAAA"),
    ("of a name server", {"name": "ns1"}, "name: |name servers"),
    (
        "of the signing key",
        {"name": "tenantry1._domainkey", "type": "TXT", "records": ["v=DKIM1"]},
        "name: |signing key",
    ),
    ("with a TTL of a second", {"ttl": 1}, "ttl: |60 to 86400"),
    ("with a TTL of two days", {"ttl": 172_800}, "ttl: |60 to 86400"),
    ("with a TTL of text", {"ttl": "1h"}, "ttl: "),
    ("without records", {"records": None}, "records: is missing"),
    ("with no record", {"records": []}, "records: |1 to 50"),
    ("with records of a text", {"records": "192.0.2.1"}, "records: is no list"),
    ("with 51 records", {"records": [f"192.0.2.{one}" for one in range(51)]}, "records: |1 to 50"),
    ("with a record of a number", {"records": [7]}, "records: "),
    _records("that is a name", "A", ["host.example."], "records: |no IPv4"),
    _records("of three numbers", "A", ["192.0.2"], "records: |no IPv4"),
    _records("with zeros", "A", ["192.0.2.010"], "records: |no IPv4"),
    _records("of a network", "A", ["192.0.2.0/24"], "records: |no IPv4"),
    _records("of IPv6", "A", ["2001:db8::1"], "records: |no IPv4"),
    _records("of IPv4", "AAAA", ["192.0.2.1"], "records: |no IPv6"),
    _records("with a zone", "AAAA", ["fe80::1%eth0"], "records: |no IPv6"),
    _records("of IPv4 in disguise", "AAAA", ["::ffff:192.0.2.1"], "records: |use an A record"),
    _records("at the domain", "CNAME", ["a.example."], "type: |the domain itself", name="@"),
    _records("to itself", "CNAME", ["x.shop.test."], "records: |itself"),
    _records("to two", "CNAME", ["a.example.", "b.example."], "records: |one record only"),
    _records("without its dot", "CNAME", ["a.example"], "records: |end the whole name with a dot"),
    _records("beside a default", "CNAME", ["a.example."], "type: |has A records", name="www"),
    _records("beside many", "CNAME", ["a.example."], "type: |has A records", name="mail"),
    _records("without a number", "MX", ["mail.example."], "records: |2 parts"),
    _records("without its dot", "MX", ["10 mail.example"], "records: |end the whole name with a dot"),
    _records("with too much", "MX", ["70000 mail.example."], "records: |65535"),
    _records("to an address", "MX", ["10 192.0.2.1."], "records: |is an address"),
    _records("of none and one", "MX", ["0 .", "10 mail.example."], "records: |no mail is taken"),
    _records("of none with a number", "MX", ["10 ."], "records: |names no host"),
    _records("of three parts", "SRV", ["0 1 mail.example."], "records: |4 parts"),
    _records("with a port too high", "SRV", ["0 1 99999 mail.example."], "records: |65535"),
    _records("without a tag", "CAA", ["0 ca.example"], "records: |3 parts"),
    _records("with a flag too high", "CAA", ['256 issue "ca.example"'], "records: |255"),
    _records("with a quote inside", "CAA", ['0 issue "a"b"'], "records: |no CAA record"),
    _records("with a slash", "CAA", ["0 is/sue x"], "records: |no CAA record"),
    _records("of nothing", "TXT", [""], "records: |not empty"),
    _records("of a line more", "TXT", ["a\nb"], "records: |control character"),
    _records("that is too long", "TXT", ["x" * 2049], "records: |2049 bytes"),
    _records("of a lone surrogate", "TXT", ["\ud800"], "records: |no valid Unicode"),
    _records("that are too long", "TXT", [f"{one}" + "x" * 2000 for one in range(10)], "records: |16384 bytes"),
)
ROWS = (*DATABASES, *SFTP, *CRON, *WEBSITE, *DOMAINS, *MAILBOXES, *MAIL_ALIASES, *RECORDS)
