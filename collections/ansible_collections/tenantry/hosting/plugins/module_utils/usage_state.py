# SPDX-License-Identifier: Apache-2.0
"""What a collector remembers between two runs, and the days in which it counts.

Offsets into logs and the counters made of them lie in one file that is replaced by one rename: a crash at any moment leaves
both as they were, so nothing is counted twice or lost. Days are named and bounded by the orchestrator, because the node
does not know in which time zone months end.
"""

from __future__ import annotations

import bisect
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, files
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

DIRECTORY = "/var/lib/tenantry/usage"
DAYS_SPEC = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {"day": {"type": "int", "required": True}, "start": {"type": "int", "required": True}},
}
_KEPT_DAYS = 62  # of counters; the orchestrator asks again for what it has missed
_REPORTED = 24_000  # days of accounts in one report
_DAYS_MAXIMUM = 70
_STATE_LIMIT = 256 * 1024 * 1024


class Days:
    """Consecutive days: number as YYYYMMDD and the second (since 1970, UTC) at which each begins."""

    def __init__(self, given: list[dict[str, int]]) -> None:
        self.numbers = [int(one["day"]) for one in given]
        self._starts = [int(one["start"]) for one in given]
        rising = self.numbers == sorted(set(self.numbers)) and self._starts == sorted(set(self._starts))
        if not rising or not 1 <= len(given) <= _DAYS_MAXIMUM or not all(len(str(day)) == 8 for day in self.numbers):
            raise refuse("days", "are no rising days", f"give 1 to {_DAYS_MAXIMUM} days as YYYYMMDD with their starts")

    def of(self, moment: float) -> int:
        """Return the day of a moment; what is older than all of them belongs to the first."""
        return self.numbers[max(bisect.bisect_right(self._starts, moment) - 1, 0)]


class Counters:
    """Two numbers a day for each account: {account: {"YYYYMMDD": [first, second]}}."""

    def __init__(self, stored: dict[str, dict[str, list[int]]]) -> None:
        self.values = stored

    def add(self, account: str, day: int, first: int, second: int) -> None:
        """Count something."""
        pair = self.values.setdefault(account, {}).setdefault(str(day), [0, 0])
        pair[0] += first
        pair[1] += second

    def keep(self, accounts: set[str]) -> None:
        """Forget accounts that are gone and days that are long over."""
        self.values = {
            account: dict(sorted(days.items())[-_KEPT_DAYS:])
            for account, days in self.values.items()
            if account in accounts
        }

    def report(self, days: Days) -> tuple[int, dict[str, str]]:
        """Return (the last day that is told, {account: "DAY:FIRST:SECOND …"}); what does not fit is told the next time."""
        told = 0
        through = days.numbers[0]
        for day in days.numbers:
            told += sum(str(day) in counted for counted in self.values.values())
            if told > _REPORTED and day != days.numbers[0]:
                break
            through = day
        wanted = [str(day) for day in days.numbers if day <= through]
        return through, {
            account: " ".join("%s:%d:%d" % (day, *counted[day]) for day in wanted if day in counted)
            for account, counted in self.values.items()
        }


@contextlib.contextmanager
def opened(step: Step, name: str) -> Iterator[dict[str, Any]]:
    """Yield what a collector remembers and keep what the caller made of it; only one run at a time.

    In check mode nothing is kept. What cannot be read any more is a failure: with it would go what has been counted.
    """
    path = f"{DIRECTORY}/{name}.json"
    with daemon.serialised(f"usage-{name}", step.check_mode, wait_seconds=5.0):
        state = _read(path)
        yield state
        if not step.check_mode:
            files.make_directory(DIRECTORY, 0o700, 0, 0)
            files.replace_file(path, json.dumps(state, separators=(",", ":"), sort_keys=True).encode(), 0o600)


def _read(path: str) -> dict[str, Any]:
    content = files.read_state(path, _STATE_LIMIT).content
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StepFailed("config_broken", f"{path} cannot be read; remove it to count anew from the logs that are left")
    return found
