"""What one run carries out: a due task and what follows it on its server, and the same of other services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from peewee import fn

from orchestrator.core.states import TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task, TaskDependency
from orchestrator.plan.catalog import CATALOG
from orchestrator.store.fleet import knob_value
from orchestrator.store.waiting import stands

LONGEST = 10  # tasks of one service in a run: what waits for them in other runs is not to wait for long
_LOOKED_AT = 2  # companions that are looked at for each that is wanted: not all have the same before them
_ROWS = 64  # open tasks of an operation that are looked at: it may have a thousand

Chain = list["Candidate"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An open task that may be taken, as it was read."""

    id: int
    action: str
    server_id: int  # 0: a step of the orchestrator itself
    service_id: int
    priority: int
    operation_id: int | None
    status: str
    params: str = "{}"

    @property
    def shares_run(self) -> bool:
        """True when it is a short step on a server."""
        known = CATALOG.get(self.action)
        return self.server_id != 0 and known is not None and known.shares_run


COLUMNS = (Task.id, Task.action, Task.server_id, Task.service_id, Task.priority, Task.operation_id, Task.status)


def candidate(row: Task, server_id: int, params: str = "{}") -> Candidate:
    """Return a row as a candidate for a server."""
    return Candidate(
        id=row.id,
        action=row.action,
        server_id=server_id,
        service_id=row.service_id or 0,
        priority=row.priority,
        operation_id=row.operation_id,
        status=row.status,
        params=params,
    )


class Runs:
    """Makes runs of due tasks, within the transaction of one claim."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @cached_property
    def _most(self) -> int:
        return int(knob_value("tasks.per_run"))

    @cached_property
    def _on_trial(self) -> set[int]:
        """Servers of which nobody knows whether they answer again: one task finds out."""
        return {row.id for row in Server.select(Server.id).where(Server.circuit_until.is_null(False))}

    def of(self, first: Candidate, taken: set[int]) -> list[Chain]:
        """Return the chains of a run that begins with ``first``, without tasks that are ``taken``.

        All have the same actions in the same order. Costs the same few queries however many they are.
        """
        if self._most <= 1 or not first.shares_run or first.server_id in self._on_trial:
            return [[first]]
        heads = [first, *self._companions(first, taken, self._most - 1)]
        chains = self._chains(heads, taken)
        order = _actions(chains[0])
        same = [chain for chain in chains if _actions(chain) == order]
        return same[: self._most]

    def _companions(self, first: Candidate, gone: set[int], wanted: int) -> Chain:
        """Return due tasks like the first, of other operations, the oldest first.

        Those of its own operation are not at its side but behind it, in its chain.
        """
        if wanted <= 0:
            return []
        others = Task.operation_id.is_null() | (Task.operation_id != (first.operation_id or 0))
        query = (
            Task.select(*COLUMNS)
            .where(
                (Task.server_id == first.server_id)
                & (Task.status == TaskStatus.QUEUED)
                & (Task.action == first.action)
                & (Task.priority == first.priority)
                & (Task.run_after <= self._now)
                & Task.id.not_in([first.id, *gone])
                & others
            )
            .order_by(Task.id)
            .limit(_LOOKED_AT * wanted)
        )
        found: dict[int, Candidate] = {}
        for row in query:
            found.setdefault(row.operation_id or -row.id, candidate(row, first.server_id))
        return list(found.values())

    def _chains(self, heads: Chain, gone: set[int]) -> list[Chain]:
        """Return each head with what can follow it."""
        operations = [one.operation_id for one in heads if one.operation_id is not None]
        read = {one.id: one for one in (self._open(heads[0], operations) if operations else [])}
        gone = gone | {one.id for one in heads}
        behind = [one for one in read.values() if one.id not in gone]
        needs = _unfinished([one.id for one in behind])
        return [
            _chain(read[head.id], [one for one in behind if one.operation_id == head.operation_id], needs)
            if head.id in read
            else [head]
            for head in heads
        ]

    def _open(self, first: Candidate, operations: Sequence[int]) -> Chain:
        """Return short open steps of operations on the server of the first, with its priority, in the order of the plan.

        Nothing but ``operation_id`` is compared in such a way that an index on it could be taken.
        """
        is_due = stands(TaskStatus.QUEUED) & (Task.run_after <= self._now)
        query = (
            Task.select(*COLUMNS, Task.params)
            .where(
                (Task.operation_id << list(operations))
                & (fn.COALESCE(Task.server_id, 0) == first.server_id)
                & (stands(TaskStatus.WAITING) | is_due)
                & (Task.priority == first.priority)
                & (Task.cancel_requested == False)  # noqa: E712 - an expression
                & Task.blocked_by.is_null()
            )
            .order_by(Task.id)
            .limit(_ROWS * len(operations))
        )
        return [one for one in (candidate(row, first.server_id, row.params) for row in query) if one.shares_run]


def _actions(chain: Chain) -> list[str]:
    return [one.action for one in chain]


def _feeds(one: Candidate) -> bool:
    return CATALOG[one.action].feeds_later(one.params)


def _unfinished(ids: list[int]) -> dict[int, set[int]]:
    """Return what each of the tasks needs and is not done."""
    found: dict[int, set[int]] = {}
    if ids:
        pairs: Any = (
            TaskDependency.select(TaskDependency.task_id, TaskDependency.needs_id)
            .join(Task, on=(Task.id == TaskDependency.needs_id))
            .where((TaskDependency.task_id << ids) & (Task.status != TaskStatus.DONE))
            .tuples()
        )
        for task_id, needs_id in pairs:
            found.setdefault(task_id, set()).add(needs_id)
    return found


def _chain(head: Candidate, behind: Chain, needs: dict[int, set[int]]) -> Chain:
    """Return the head and what can be done after it, one after another: always the first of the plan that can.

    What needs a step that feeds later jobs is left out: its job can only be made when that step has ended.
    """
    chain, met, left = [head], set() if _feeds(head) else {head.id}, list(behind)
    while len(chain) < LONGEST:
        step = next((one for one in left if needs.get(one.id, set()) <= met), None)
        if step is None:
            break
        chain.append(step)
        left.remove(step)
        if not _feeds(step):
            met.add(step.id)
    return chain
