# SPDX-License-Identifier: Apache-2.0
"""What mailboxes hold, as Dovecot counts it for their quota, and messages sent and received, from Postfix's journal."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import mail_change
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_state import Counters, Days

_LOW = ["nice", "-n", "19", "ionice", "-c", "3"]
# vsize is what quota counts (quota_vsizes), to the byte; `doveadm quota get` says it in KiB
_STATUS = [*_LOW, "doveadm", "-f", "tab", "mailbox", "status", "-t", "-F"]
_WANTED = ["messages vsize", "*"]
# Only what Postfix's own daemons have said: the unit is the journal's word, the rest is the program's.
_JOURNAL = ["journalctl", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", "--no-pager", "--quiet"]
_UNIT = "_SYSTEMD_UNIT=postfix@-.service"
_RECEIVED = re.compile(r"[0-9A-Za-z]+: to=<([^<>\s]{1,320})>,.* status=sent ")
_SENT = re.compile(r"[0-9A-Za-z]+: client=.*, sasl_username=([^\s,]{1,320})(?:,|$)")
_BOOT_SECONDS = 2.0
_END_SECONDS = 5.0
Sizes = dict[str, tuple[int, int]]


def sizes(step: Step, addresses: Iterable[str], vmail_directory: str, seconds: float) -> tuple[Sizes, bool]:
    """Return ({address: (bytes, messages)}, whether all were told); a mailbox that cannot be opened is missing.

    One without a folder was never used, and is not asked for: Dovecot would make the folder.
    """
    found: Sizes = dict.fromkeys(addresses, (0, 0))
    used = [one for one in found if os.path.isdir(_home(vmail_directory, one))]
    if not used:
        return found, True
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as users:
        users.write("".join(f"{one}\n" for one in used))
        users.flush()
        code, output = _run([*_STATUS, users.name, *_WANTED], seconds)
    if code == 127:
        raise StepFailed("missing_software", "Dovecot is not installed; run server.prepare with the mail role")
    for one in used:
        del found[one]
    for row in _table(output, ("username", "messages", "vsize")):
        found[row["username"]] = (int(row["vsize"]), int(row["messages"]))
    if code != 0:
        step.warnings.append("some mailboxes could not be opened; their figures stay what they were")
    return found, code == 0


def _home(vmail_directory: str, address: str) -> str:
    local_part, _, domain = address.rpartition("@")
    return mail_change.home_of(vmail_directory, domain, local_part)


def _run(argv: list[str], seconds: float) -> tuple[int, str]:
    """Return (exit code, output without errors)."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False, errors="replace")
    except FileNotFoundError:
        return 127, ""
    except subprocess.TimeoutExpired:
        raise StepFailed("command", "%s did not finish within %d s" % (" ".join(argv[5:8]), seconds)) from None
    return done.returncode, done.stdout


def _table(output: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    lines = output.splitlines()
    head = [name.casefold() for name in lines[0].split("\t")] if lines else []
    if lines and not set(columns) <= set(head):
        raise StepFailed("command", "doveadm prints other columns than %s" % ", ".join(columns))
    for line in lines[1:]:
        yield dict(zip(head, line.split("\t"), strict=False))


class Messages:
    """Reads the journal on from where it was read; cursor and counters are kept together."""

    def __init__(self, state: dict[str, Any], days: Days, owners: dict[str, str], seconds: float) -> None:
        self._state = state
        self._days = days
        self._owners = owners  # address -> label of the owner
        self._deadline = time.monotonic() + seconds
        self.counters = Counters(state.setdefault("messages", {}))
        self.is_complete = True

    def read(self) -> None:
        """Count what Postfix has taken from logged-in senders and put into mailboxes since the last time."""
        cursor = self._state.get("cursor")
        argv = [*_JOURNAL, *([f"--after-cursor={cursor}"] if cursor else []), _UNIT]
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        ) as journal:
            try:
                for entry in _entries(journal, self._deadline):
                    self._count(entry)
                    self._state["cursor"] = entry["__CURSOR"]
                    if time.monotonic() > self._deadline:
                        self.is_complete = False
                        break
                else:
                    journal.wait(_END_SECONDS)
            finally:
                journal.kill()
        if self.is_complete and journal.returncode != 0:
            raise StepFailed("command", "journalctl failed (exit %d)" % journal.returncode)
        self.counters.keep(set(self._owners.values()))
        self._state["messages"] = self.counters.values

    def _count(self, entry: dict[str, Any]) -> None:
        program, text = entry.get("SYSLOG_IDENTIFIER"), entry.get("MESSAGE")
        if not isinstance(text, str):  # bytes that are no text
            return
        received = _RECEIVED.match(text) if program == "postfix/lmtp" else None
        sent = _SENT.match(text) if program in ("postfix/submission/smtpd", "postfix/submissions/smtpd") else None
        found = received or sent
        owner = self._owners.get(_plain(found[1])) if found else None
        if owner:
            day = self._days.of(int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000)
            self.counters.add(owner, day, int(sent is not None), int(received is not None))


def _plain(address: str) -> str:
    """Return the address without its tag, in small letters."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def _entries(journal: subprocess.Popen[bytes], deadline: float) -> Iterator[dict[str, Any]]:
    assert journal.stdout is not None
    rest = b""
    while True:
        if not select.select([journal.stdout], [], [], max(deadline - time.monotonic(), _BOOT_SECONDS))[0]:
            raise StepFailed("command", "journalctl does not answer")
        block = journal.stdout.read1(1 << 16)  # type: ignore[attr-defined] # a pipe of Popen is buffered
        if not block:
            return
        *whole, rest = (rest + block).split(b"\n")
        yield from (json.loads(line) for line in whole if line)
