# SPDX-License-Identifier: Apache-2.0
"""PowerDNS itself on a node: key, database, configuration, unit. Only server.prepare restarts it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
import sqlite3
import tempfile
from typing import Any, NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_api, dns_query, files
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

DATABASE_FILE = "/var/lib/powerdns/tenantry.sqlite3"
SCHEMA_FILE = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
LOADED_FILE = dns_api.STATE_DIRECTORY + "/loaded"  # digest of the configuration that the running server has read
UNIT = "pdns.service"
USER = "pdns"
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_HASH = re.compile(r"^api-key=\$scrypt\$ln=10,p=1,r=8\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$", re.MULTILINE)
_ADDRESSES = 16

_CONFIGURATION = """\
# Written by server.prepare, which also restarts PowerDNS when this file changes. Additions belong into pdns.d/*.conf.
launch=gsqlite3
include-dir=/etc/powerdns/pdns.d
gsqlite3-database={database}
gsqlite3-pragma-journal-mode=WAL
gsqlite3-pragma-foreign-keys=yes

local-address={listen}
# An IPv6 address may still be checked for duplicates when the unit starts.
non-local-bind=yes
max-tcp-connections=200
max-tcp-connections-per-client=20

# What this server has it answers; it asks nobody, sends zones to nobody and takes none.
disable-axfr=yes
allow-axfr-ips=
allow-notify-from=
dnsupdate=no
expand-alias=no
security-poll-suffix=

version-string=anonymous
server-id={hostname}

# A change through the API empties the caches of its names; what slips in beside it lives this long.
cache-ttl=5
query-cache-ttl=5
negquery-cache-ttl=5
zone-cache-refresh-interval=60

api=yes
api-key={key_hash}
webserver=yes
webserver-address={api_address}
webserver-port={api_port}
webserver-allow-from={api_address}
webserver-loglevel=none
webserver-max-bodysize=64
"""


class Wanted(NamedTuple):
    """What the job asks for, checked."""

    hostname: str
    addresses: list[str]


def read(params: dict[str, Any]) -> Wanted:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    if not _HOSTNAME.fullmatch(params["hostname"]):
        raise refuse("hostname", f"{shown(params['hostname'])} is no host name", "give a name such as ns1.shop.example")
    if len(params["addresses"]) > _ADDRESSES:
        raise refuse("addresses", "there are too many", "give at most %d" % _ADDRESSES)
    return Wanted(params["hostname"].lower(), sorted({_address(text) for text in params["addresses"]}))


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise refuse("addresses", f"{shown(text)} is no IP address", "check it") from None
    if "%" in text or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise refuse("addresses", f"{shown(text)} cannot be served from", "give the server's public addresses")
    return str(address)


def ensure(step: Step, wanted: Wanted) -> None:
    """Bring PowerDNS to a running state with our configuration, which is checked before it goes live."""
    installed = _is_installed(step)
    step.directory(dns_api.STATE_DIRECTORY, 0o700)
    step.directory(dns_api.WITHDRAWN_DIRECTORY, 0o700)
    key = _key(step)
    _database(step, installed)
    before = files.read_state(dns_api.CONFIG_FILE).content
    text = _configuration(step, wanted, key, (before or b"").decode("utf-8", "replace"))
    if installed:
        _check(text)
    _write(step, before, text)
    _run(step, before, text, key)


def _is_installed(step: Step) -> bool:
    code, _ = step.probe(["pdns_server", "--version"])
    if code == 127 and not step.check_mode:
        raise StepFailed("missing_software", "pdns_server is not installed; install pdns-server and its SQLite backend")
    return code != 127


def _key(step: Step) -> str:
    """Return the API key, which is made here and stays here."""
    now = files.read_state(dns_api.KEY_FILE).content
    key = now.decode("ascii", "replace").strip() if now else secrets.token_urlsafe(32)
    step.file(dns_api.KEY_FILE, key + "\n", 0o600, secret=True)
    return key


def _database(step: Step, installed: bool) -> None:
    if os.path.lexists(DATABASE_FILE):
        return
    step.note(DATABASE_FILE, "", "(an empty database)\n")
    if step.check_mode or not installed:
        return
    uid, gid = files.ids(USER, USER)
    with tempfile.TemporaryDirectory(prefix="tenantry-dns-") as folder:
        path = os.path.join(folder, "new")
        with contextlib.closing(sqlite3.connect(path)) as connection, open(SCHEMA_FILE, encoding="utf-8") as schema:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(schema.read())
        with open(path, "rb") as handle:
            files.replace_file(DATABASE_FILE, handle.read(), 0o640, uid, gid)


def _configuration(step: Step, wanted: Wanted, key: str, before: str) -> str:
    return _CONFIGURATION.format(
        database=DATABASE_FILE,
        listen=", ".join(_listen(step, wanted.addresses)),
        hostname=wanted.hostname,
        key_hash=_known_hash(before, key) or _new_hash(key),
        api_address=dns_api.API_ADDRESS,
        api_port=dns_api.API_PORT,
    )


def _listen(step: Step, addresses: list[str]) -> list[str]:
    """Return what to bind to: the given addresses, or every one when the node itself has not all of them (NAT)."""
    foreign = [address for address in addresses if not _is_local(address)]
    if foreign:
        step.warnings.append(f"{', '.join(foreign)}: not on this node (NAT?), so DNS listens on every address")
    return ["0.0.0.0", "::"] if foreign or not addresses else addresses


def _is_local(address: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _known_hash(configuration: str, key: str) -> str:
    """Return the hash that stands in the configuration when it is this key's, else nothing."""
    found = _HASH.search(configuration)
    if not found:
        return ""
    salt, digest = (base64.b64decode(part) for part in found.groups())
    return found.group(0).removeprefix("api-key=") if hmac.compare_digest(_scrypt(key, salt), digest) else ""


def _new_hash(key: str) -> str:
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _scrypt(key, salt)))
    return "$scrypt$ln=10,p=1,r=8$" + "$".join(parts)


def _scrypt(key: str, salt: bytes) -> bytes:
    return hashlib.scrypt(key.encode(), salt=salt, n=2**10, r=8, p=1, dklen=32)


def _check(text: str) -> None:
    """Let PowerDNS read the configuration before it goes live; the additions of pdns.d are part of it."""
    with tempfile.TemporaryDirectory(prefix="tenantry-dns-") as folder:
        with open(os.path.join(folder, "pdns.conf"), "w", encoding="utf-8") as handle:
            handle.write(text)
        try:
            dns_api.check_configuration(folder, "rejected")
        except StepFailed:
            dns_api.check_configuration(os.path.dirname(dns_api.CONFIG_FILE), "config_broken")
            raise


def _write(step: Step, before: bytes | None, text: str) -> None:
    if before == text.encode():
        return
    step.note(dns_api.CONFIG_FILE, _masked((before or b"").decode("utf-8", "replace")), _masked(text))
    if not step.check_mode:
        _replace(text.encode())


def _replace(content: bytes) -> None:
    _, gid = files.ids(0, USER)
    files.replace_file(dns_api.CONFIG_FILE, content, 0o640, 0, gid)


def _masked(configuration: str) -> str:
    """Return a configuration for --diff: no secret, no comment."""
    lines = [line for line in configuration.splitlines(keepends=True) if line.strip() and not line.startswith("#")]
    return re.sub(r"(?m)^(api-key|webserver-password)=.+$", r"\1=(secret)", "".join(lines))


def _run(step: Step, before: bytes | None, text: str, key: str) -> None:
    """Start the unit, at boot too, and restart it when it has not read the configuration that is there."""
    enabled, active = (step.probe(["systemctl", verb, "--quiet", UNIT])[0] == 0 for verb in ("is-enabled", "is-active"))
    digest = files.fingerprint(text.encode())
    loaded = (files.read_state(LOADED_FILE).content or b"").decode("ascii", "replace").strip() == digest
    if not enabled:
        step.note(UNIT, "disabled\n", "enabled\n")
    if not active or not loaded:
        step.note(UNIT, "running, older configuration\n" if active else "stopped\n", "running\n")
    if step.check_mode:
        return
    if not enabled:
        step.command(["systemctl", "enable", "--quiet", UNIT])
    if not active or not loaded:
        _restart(before, text, key)
        step.file(LOADED_FILE, digest + "\n", 0o600)
    else:
        _require_answers(key)


def _restart(before: bytes | None, text: str, key: str) -> None:
    """Restart with the new configuration; when that does not work the old one comes back."""
    try:
        Step.probe(["systemctl", "reset-failed", UNIT])
        code, output = Step.probe(["systemctl", "restart", UNIT], timeout=60)
        if code != 0:
            raise StepFailed("probe", f"PowerDNS does not start: {tail(output, 2)}; {_journal()}")
        _require_answers(key)
    except StepFailed as failure:
        if before is None or before == text.encode():
            raise
        _replace(before)
        Step.probe(["systemctl", "restart", UNIT], timeout=60)
        raise StepFailed("probe", f"{failure}; the former configuration is back") from None


def _journal() -> str:
    return tail(Step.probe(["journalctl", "--unit", UNIT, "--lines", "4", "--output", "cat", "--no-pager"])[1], 4)


def _require_answers(key: str) -> None:
    for address in dns_api.Api(key).addresses():
        try:
            dns_query.ask(address, ".", "SOA")
        except dns_query.BadAnswer as error:
            raise StepFailed("probe", f"PowerDNS does not answer queries: {error}") from None
