# SPDX-License-Identifier: Apache-2.0
"""Bytes in and out of every web account, from its access logs."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import web_account
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_logs import Log
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_state import Counters, Days

# nginx escapes every quote inside a value, so what a visitor sends can imitate neither the beginning nor the numbers.
_BEGIN = b'{"time":"'
_LINE = re.compile(rb'\{"time":"([0-9T:+-]{25})".*?"status":\d{3},"in":(\d{1,15}),"out":(\d{1,15}),')
_MOMENTS = 4096  # remembered: most lines share their second with others


class Reader:
    """Reads the logs of all accounts and counts; ``unreadable`` lines are told, not guessed."""

    def __init__(self, state: dict[str, Any], days: Days, seconds: float) -> None:
        self._files: dict[str, Any] = state.setdefault("logs", {})
        self.counters = Counters(state.setdefault("traffic", {}))
        self._days = days
        self._deadline = time.monotonic() + seconds
        self._moments: dict[bytes, int] = {}
        self.unreadable = 0
        self.unfinished: list[str] = []
        self._state = state

    def read(self, usernames: list[str]) -> None:
        """Count what is new; the accounts that were not finished the last time come first."""
        late = self._state.get("unfinished", [])
        for username in sorted(usernames, key=lambda name: (name not in late, name)):
            if time.monotonic() > self._deadline:
                self.unfinished.append(username)
                continue
            log = Log(f"{web_account.LOGS}/{username}", self._files.get(username, []), self._deadline)
            for line in log.lines():
                self._count(username, line)
            self._files[username] = log.entries
            if not log.is_complete:
                self.unfinished.append(username)
        self._forget(set(usernames))

    def _count(self, username: str, line: bytes) -> None:
        found = _LINE.match(line, max(line.rfind(_BEGIN), 0))
        if found is None:
            self.unreadable += 1
            return
        self.counters.add(username, self._day(found[1]), int(found[2]), int(found[3]))

    def _day(self, text: bytes) -> int:
        day = self._moments.get(text)
        if day is None:
            if len(self._moments) > _MOMENTS:
                self._moments.clear()
            day = self._days.of(datetime.datetime.fromisoformat(text.decode()).timestamp())
            self._moments[text] = day
        return day

    def _forget(self, usernames: set[str]) -> None:
        self.counters.keep(usernames)
        self._state["traffic"] = self.counters.values
        self._state["logs"] = {name: entries for name, entries in self._files.items() if name in usernames}
        self._state["unfinished"] = self.unfinished
