"""service.plan carried out: the action is rehearsed, the servers are asked in check mode, and their answers cut to what is kept.

How the servers answer is the plan's content and never its failure: it is not tried again.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orchestrator.core.errors import Busy, Conflict, IllegalTransition
from orchestrator.core.states import Outcome
from orchestrator.dispatch import rehearsal
from orchestrator.dispatch.rehearsal import Apply, Finding
from orchestrator.execute.base import Executor
from orchestrator.execute.text import sentence
from orchestrator.models.task import Task
from orchestrator.store.database import patiently

_AT_ONCE = 2  # plans of one orchestrator; each asks for a few steps at once
_LIST_BYTES = 24_000  # of the steps without their diffs; all sizes are of JSON, where MariaDB takes 65,535 in a result
_DIFF_BYTES, _ALL_DIFFS_BYTES = 8_000, 30_000
_MESSAGE = 300


class Plans:
    """Carries out plans, a few at a time; ``wished`` turns a row into what its action would do."""

    def __init__(self, wished: Callable[[Task], Apply], executor: Executor) -> None:
        self._wished = wished
        self._executor = executor
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def ask(self, row: Task, cancelled: Callable[[], bool]) -> dict[str, Any] | None:
        """Return what is kept of a plan, None when it was cancelled.

        {"steps": [{"step", "server", "would", "message", "diff", "cut"}], "left_out": steps that found no room}, or
        {"refused": why the action would be refused now}. Raises InvalidInput for a wish that can never work, and Busy
        while others are asked for.
        """
        apply = self._wished(row)
        with self._place():
            try:
                planned = patiently(lambda: rehearsal.plan(apply), cancelled)
            except (Busy, Conflict, IllegalTransition) as error:
                return {"refused": sentence(str(error), _MESSAGE)}
            found = list(rehearsal.findings(planned, self._executor, cancelled))
        return None if cancelled() else kept(found)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy("other plans are being made; this one follows")
        try:
            yield
        finally:
            self._places.release()


def kept(found: Sequence[Finding]) -> dict[str, Any]:
    """Return findings as a bounded result. What has nothing to do makes room first; long diffs before short ones."""
    rows = [_row(one) for one in found]
    listed = _listed(rows)
    _add_diffs([(rows[number], found[number].diff) for number in listed])
    return {"steps": [rows[number] for number in listed], "left_out": len(rows) - len(listed)}


def _row(one: Finding) -> dict[str, Any]:
    return {
        "step": one.step.step,
        "server": one.step.server,
        "would": str(one.would),
        "message": sentence(one.message, _MESSAGE),
        "diff": "",
        "cut": False,
    }


def _listed(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Return the places of the rows that there is room for, in the order of the plan."""
    room, chosen = _LIST_BYTES, []
    for number in sorted(range(len(rows)), key=lambda place: rows[place]["would"] == Outcome.OK):
        room -= _size(rows[number])
        if room < 0:
            break
        chosen.append(number)
    return sorted(chosen)


def _add_diffs(pairs: Sequence[tuple[dict[str, Any], str]]) -> None:
    """Fill in the diffs, the shortest first: what one does not need is there for the others."""
    room, waiting = _ALL_DIFFS_BYTES, len(pairs)
    for row, diff in sorted(pairs, key=lambda pair: len(pair[1])):
        row["diff"] = _lines(diff, min(_DIFF_BYTES, room // waiting))
        row["cut"] = row["diff"] != diff
        room, waiting = room - _size(row["diff"]), waiting - 1


def _lines(text: str, room: int) -> str:
    """Return the whole lines from the beginning of a text that fit."""
    lines, room = [], room - _size("")
    for line in text.splitlines(keepends=True):
        room -= _size(line) - _size("")
        if room < 0:
            break
        lines.append(line)
    return "".join(lines)


def _size(value: Any) -> int:
    return len(json.dumps(value))
