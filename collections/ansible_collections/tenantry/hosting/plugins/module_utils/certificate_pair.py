# SPDX-License-Identifier: Apache-2.0
"""A certificate with its chain and its key, checked as a whole before anything of it is written.

What OpenSSL itself refuses to serve (a key of another certificate, a key that is too short, a block that is no
certificate) is refused here. It is given memory to read from: the key lies on no disk before it is where it belongs.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import grammar
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

_BODY = r"(?:[A-Za-z0-9+/=]{1,64}\n)+"
_CERTIFICATE = re.compile(rf"-----BEGIN CERTIFICATE-----\n{_BODY}-----END CERTIFICATE-----\n")
_CHAIN = re.compile(rf"(?:{_CERTIFICATE.pattern}){{1,10}}")
_KEY = re.compile(rf"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----\n{_BODY}-----END \1-----\n")
_SERIAL = re.compile(r"[0-9a-f]{1,40}")  # RFC 5280 section 4.1.2.2: at most 20 octets
_MAXIMUM = 64 * 1024  # characters
_NAMES_MAXIMUM = 100
_END = "%Y-%m-%d %H:%M:%SZ"
SPEC = {
    "certificate": {"type": "str", "default": ""},
    "private_key": {"type": "str", "default": "", "no_log": True},
    "serial": {"type": "str", "default": ""},
}


class Pair(NamedTuple):
    """What a server shows and the key it proves it with."""

    chain: str  # PEM, the leaf first
    key: str  # PEM; never shown
    leaf: bytes  # DER
    serial: str
    not_after: datetime

    @property
    def version(self) -> str:
        """The name of the folder that holds exactly this pair."""
        return f"{self.serial}-{hashlib.sha256((self.chain + self.key).encode()).hexdigest()[:12]}"

    def facts(self) -> dict[str, str]:
        """Return what is told about it."""
        return {"serial": self.serial, "not_after": self.not_after.isoformat()}


def read(step: Step, names: Sequence[str]) -> Pair:
    """Check the parameters ``certificate``, ``private_key`` and ``serial`` of a step. Raises StepFailed ``invalid``."""
    chain = _pem(step.params["certificate"], "certificate", _CHAIN, "the certificate and then its chain, PEM only")
    key = _pem(step.params["private_key"], "private_key", _KEY, "one unencrypted PEM key")
    serial = step.params["serial"]
    if not _SERIAL.fullmatch(serial):
        raise refuse("serial", f"{grammar.shown(serial)} is no serial", "give lower-case hexadecimal digits")
    _require_usable(chain, key)
    first = _CERTIFICATE.match(chain)
    leaf = first[0] if first else ""
    found_serial, not_after, covered = _described(step, leaf)
    if int(found_serial, 16) != int(serial, 16):
        raise refuse("serial", f"the certificate's own is {found_serial}", "give that one, or the other certificate")
    for name in names:
        if not _covers(covered, name):
            raise refuse("names", f"the certificate is not for {name}", "leave it out, or give another certificate")
    if not_after <= datetime.now(UTC):
        step.warnings.append(f"the certificate expired at {not_after.isoformat()}")
    return Pair(chain, key, ssl.PEM_cert_to_DER_cert(leaf), serial, not_after)


def names(given: Sequence[str]) -> list[str]:
    """Return the host names that a step gives, none twice."""
    found = list(dict.fromkeys(grammar.domain(name, "names") for name in given))
    if not 1 <= len(found) <= _NAMES_MAXIMUM:
        raise refuse("names", "%d of them" % len(found), "give 1 to %d" % _NAMES_MAXIMUM)
    return found


def _pem(value: str, field: str, form: re.Pattern[str], remedy: str) -> str:
    text = value.replace("\r\n", "\n").strip() + "\n"
    if len(text) > _MAXIMUM or not form.fullmatch(text):
        raise refuse(field, "it is not what it should be", f"give {remedy}")
    return text


def _require_usable(chain: str, key: str) -> None:
    """Let OpenSSL take the pair as a server would."""
    with _Memory(chain) as chain_path, _Memory(key) as key_path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_path, key_path, password="")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise refuse("private_key", "it belongs to another certificate", "give the certificate's own") from None
            reason = error.reason or "it cannot be read"
            raise refuse("certificate", f"OpenSSL does not serve it ({reason})", "give another one") from None


class _Memory:
    """A text that a library can open by a path and that lies on no disk."""

    def __init__(self, text: str) -> None:
        self._descriptor = os.memfd_create("pair")
        os.write(self._descriptor, text.encode("ascii"))

    def __enter__(self) -> str:
        return "/proc/self/fd/%d" % self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _described(step: Step, leaf: str) -> tuple[str, datetime, list[str]]:
    """Return (serial, end, names) of a certificate."""
    options = ["-noout", "-serial", "-enddate", "-dateopt", "iso_8601", "-ext", "subjectAltName"]
    code, output = step.probe(["openssl", "x509", *options], stdin=leaf)
    found = dict(line.split("=", 1) for line in output.splitlines() if line.startswith(("serial=", "notAfter=")))
    if code != 0 or set(found) != {"serial", "notAfter"}:
        raise StepFailed("command", f"openssl x509 does not read the certificate: {tail(output)}")
    not_after = datetime.strptime(found["notAfter"].strip(), _END).replace(tzinfo=UTC)
    return found["serial"].strip().lower(), not_after, re.findall(r"DNS:([^\s,]+)", output)


def _covers(covered: Iterable[str], name: str) -> bool:
    """RFC 6125 section 6.4.3: a wildcard stands for exactly one label."""
    above = "*." + name.partition(".")[2]
    return any(one.lower() in (name, above) for one in covered)
