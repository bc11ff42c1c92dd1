# SPDX-License-Identifier: Apache-2.0
"""A change of the mail tables as a step makes it: compare, write both files at once, probe, take back what does not work."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, mail_store
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_daemons import POSTFIX_MAPS
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Row, Store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

CONTROLLER_SOCKET = "/run/rspamd/controller.sock"
PROBE_SECONDS = 10.0
_SILENCE_SECONDS = 2.0  # as long as a reload may take to listen again

Wanted = Mapping[tuple[str, str], Mapping[str, Any]]  # (table, key) -> columns
Before = dict[tuple[str, str], "Row | None"]


def require_owner(row: Row | None, owner: str | None, what: str) -> str:
    """Return who owns the object from now on; one that belongs to somebody else is a conflict.

    Without ``owner``, in an engineer's run by hand, an object stays with whom it belongs to, and a new one is nobody's.
    """
    if row is None:
        return owner or ""
    if owner is not None and row["owner"] != owner:
        raise StepFailed(
            "conflict", f"{what} on this node belongs to {row['owner'] or 'nobody we know'}; free it first"
        )
    return str(row["owner"])


def left_alone(step: Step, rows: Iterable[Row], owner: str | None, what: str) -> bool:
    """Whether a removal finds an object of somebody else: it is told in a warning, and the step succeeds.

    A removal may arrive long after another service took the name over.
    """
    others = {str(row["owner"]) for row in rows if owner is not None and row["owner"] != owner}
    if others:
        names = ", ".join(sorted(name or "nobody we know" for name in others))
        step.warnings.append(f"left alone: {what} belongs to {names}")
    return bool(others)


def drop(step: Step, store: Store, table: str, condition: str, *values: Any) -> list[Row]:
    """Remove the rows that meet the caller's condition and return them; the caller holds the transaction."""
    rows = store.select(f"SELECT * FROM {table} WHERE {condition}", *values)
    for row in rows:
        step.note(f"{table} {mail_store.name_of(row)}", mail_store.shown(row), "")
    if rows and not step.check_mode:
        store.run(f"DELETE FROM {table} WHERE {condition}", *values)
    return rows


def kept_by(keeper: str, wanted: Wanted) -> Wanted:
    """Return the rows with their owner."""
    return {place: {**columns, "owner": keeper} for place, columns in wanted.items()}


def hosted(step: Step, store: Store, domain: str, owner: str | None) -> Row | None:
    """Return the row of a domain that has to be here and the owner's; in check mode it may be still to come."""
    row = store.row("main.domains", domain)
    if row is None and not step.check_mode:
        raise grammar.refuse("domain", f"{domain} is not hosted on this node", "run mail.domain_present first")
    require_owner(row, owner, domain)
    return row


def announced(step: Step, directory: str, wanted: Wanted) -> bool:
    """In check mode on a node that is not prepared yet: say what would be written. False when there are tables."""
    if not step.check_mode or mail_store.exists(directory):
        return False
    for (table, key), columns in wanted.items():
        _note(step, table, key, None, columns)
    return True


def compare_and_put(step: Step, store: Store, wanted: Wanted) -> Before:
    """Write the rows that differ and return what they were; the caller holds the transaction."""
    before: Before = {}
    for (table, key), columns in wanted.items():
        now = store.row(table, key)
        if not mail_store.differs(now, columns):
            continue
        before[table, key] = now
        _note(step, table, key, now, columns)
        if not step.check_mode:
            store.put(table, {**(now or {}), **columns})
    return before


def _note(step: Step, table: str, key: str, now: Row | None, columns: Mapping[str, Any]) -> None:
    new_secret = now is not None and now.get("password_hash") != columns.get("password_hash")
    after = {**(now or {}), **columns}
    step.note(f"{table} {key}", mail_store.shown(now), mail_store.shown(after, ", new" if new_secret else ""))


def probed(step: Step, store: Store, before: Before, probe: Callable[[], None]) -> None:
    """Run the probe; when it fails, put the rows back as they were and end with the reason ``probe``."""
    if step.check_mode and step.changed:
        return
    try:
        probe()
    except StepFailed as failure:
        with store.transaction():
            for (table, key), row in before.items():
                store.restore(table, key, row)
        undone = "; the change was taken back" if before else ""
        raise StepFailed("probe", f"{failure}{undone}") from None


def map_of(name: str) -> str:
    """Return one of our tables as the running Postfix reads it."""
    return f"proxy:sqlite:{POSTFIX_MAPS}/{name}.cf"


def require_map(name: str, key: str) -> None:
    """Ask the running Postfix, through proxymap, for a key that has to be there."""
    argv = ["postmap", "-q", key, map_of(name)]
    code, output = Step.probe(argv, timeout=PROBE_SECONDS)
    if code != 0 or output.strip() != key:
        raise StepFailed("probe", f"Postfix does not find {key} in its table {name}: {tail(output)}")


def require_user(address: str, home: str) -> None:
    """Ask the running Dovecot for a mailbox that has to be there."""
    code, output = Step.probe(["doveadm", "user", "-f", "home", address], timeout=PROBE_SECONDS)
    if code != 0 or output.strip() != home:
        raise StepFailed("probe", f"Dovecot does not find {address}: {tail(output)}")


def require_signature(domain: str, selector: str) -> None:
    """Let the running rspamd sign a message of the domain; it reads a map again within some seconds."""
    start = time.monotonic()
    while True:
        signature, problem = _signature(domain)
        if f"s={selector};" in signature and f"d={domain};" in signature:
            return
        if time.monotonic() - start >= (_SILENCE_SECONDS if problem else PROBE_SECONDS):
            found = problem or signature or "no signature"
            raise StepFailed("probe", f"rspamd does not sign for {domain} with selector {selector} ({found})")
        time.sleep(0.1)


def _signature(domain: str) -> tuple[str, str]:
    """Return (the signature on a message of the domain, what went wrong when rspamd was asked)."""
    sender = f"postmaster@{domain}"
    message = f"From: <{sender}>\r\nTo: <{sender}>\r\nSubject: probe\r\nMessage-ID: <probe@{domain}>\r\n\r\nprobe\r\n"
    headers = {"From": sender, "Rcpt": sender, "User": sender, "IP": "127.0.0.1"}
    connection = _LocalConnection(CONTROLLER_SOCKET)
    try:
        connection.request("POST", "/checkv2", body=message.encode(), headers=headers)
        found = json.loads(connection.getresponse().read(1024 * 1024)).get("dkim-signature", "")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return "", f"it did not answer: {error}"
    finally:
        connection.close()
    return "".join((found if isinstance(found, str) else "".join(found)).split()), ""


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PROBE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def home_of(vmail_directory: str, domain: str, local_part: str) -> str:
    """Return the home directory Dovecot gives a mailbox."""
    return os.path.join(vmail_directory, domain, local_part)
