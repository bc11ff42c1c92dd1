"""A live timeline of an operation: drawn in place on a terminal, a line a change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import console, problems
from orchestrator.core.clock import utc_now
from orchestrator.core.states import TaskStatus
from orchestrator.models.task import Operation
from orchestrator.store import tasks, timeline

_POLL_SECONDS = 0.4
_PATIENCE_SECONDS = 5.0  # before it is said that nobody takes the task
_SPINNER = Spinner("dots", style="cyan")  # one for all, so that a redraw does not begin it anew
_MARKS = {
    "done": ("✓", "green"),
    "error": ("✗", "red"),
    "cancelled": ("–", "dim"),
    "queued": ("·", "yellow"),
    "waiting": (" ", "dim"),
}


def watch_task(task_id: int) -> int:
    """Watch an intent from its row to the end of its operation; returns the exit code."""
    watch_intent(task_id)
    row = tasks.get(task_id)
    operation = (row.result or {}).get("operation_id") if row.status == TaskStatus.DONE else None
    if operation is None:
        said = row.error or (row.result or {}).get("skipped") or ""
        console.print(Text(f"task {task_id} {row.status}: {said}"), soft_wrap=True)
        return 0 if row.status == TaskStatus.DONE else 1
    return watch_operation(operation)


def watch_intent(task_id: int) -> str:
    """Wait until an intent has been carried out or refused; returns the status of its row."""
    row, hint_at = tasks.get(task_id), time.monotonic() + _PATIENCE_SECONDS
    while row.status in (TaskStatus.QUEUED, TaskStatus.RUNNING):
        if row.status == TaskStatus.QUEUED and not row.attempts and time.monotonic() > hint_at:
            problems.print(f"task {task_id} has not been taken yet; is `tenantry run` running?", soft_wrap=True)
            hint_at = float("inf")
        time.sleep(_POLL_SECONDS)
        row = tasks.get(task_id)
    return str(row.status)


def watch_operation(operation_id: int) -> int:
    """Watch an operation until nothing of it can move any more; returns 0 when it is done, 1 otherwise."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=10, transient=False) as live:
            for operation, steps in _states(operation_id):
                live.update(_drawing(operation, steps))
    else:
        _print_changes(operation_id)
    operation = Operation.get_by_id(operation_id)
    if operation.status != "done":
        console.print(Text(f"operation {operation_id}: {operation.status}: {operation.error or ''}"), soft_wrap=True)
    return 0 if operation.status == "done" else 1


def print_once(operation_id: int) -> None:
    """Print the timeline as it is now."""
    console.print(_drawing(Operation.get_by_id(operation_id), timeline.steps(operation_id)))


def _states(operation_id: int) -> Iterator[tuple[Operation, list[dict[str, Any]]]]:
    while True:
        # Asked first: whatever ends the operation meanwhile is seen by the last look.
        is_moving = timeline.can_move(operation_id)
        operation, steps = Operation.get_by_id(operation_id), timeline.steps(operation_id)
        yield operation, steps
        if operation.status in ("done", "cancelled") or not is_moving:
            return
        time.sleep(_POLL_SECONDS)


def _print_changes(operation_id: int) -> None:
    seen: dict[int, tuple[str, int]] = {}
    for _, steps in _states(operation_id):
        for step in steps:
            state = (step["status"], step["attempts"])
            if seen.get(step["task_id"]) != state and step["status"] != "waiting":
                console.print(_line(step), soft_wrap=True)
            seen[step["task_id"]] = state


def _line(step: dict[str, Any]) -> Text:
    text = Text(f"{step['status']:<9} {step['title']} ({step['step']}) on {step['server'] or 'the orchestrator'}")
    if duration := _duration(step):
        text.append(f" {duration}")
    if step["attempts"] > 1:
        text.append(f" (attempt {step['attempts']})")
    if step["error"] and step["status"] != "running":
        text.append(f": {step['error']}")
    return text


def _drawing(operation: Operation, steps: list[dict[str, Any]]) -> Group:
    done = sum(step["status"] == "done" for step in steps)
    head = Text(f"{operation.intent} · service {operation.service_id}", style="bold")
    bar = Table.grid(padding=(0, 2))
    elapsed = max(((operation.finished_at or utc_now()) - operation.created_at).total_seconds(), 0)
    bar.add_row(
        ProgressBar(total=len(steps), completed=done, width=48), f"{done} of {len(steps)} steps, {elapsed:.0f} s"
    )
    table = Table.grid(padding=(0, 2))
    for step in steps:
        table.add_row(_mark(step), step["title"], step["server"] or "", _duration(step), _remark(step))
    return Group(head, bar, table)


def _mark(step: dict[str, Any]) -> Any:
    if step["status"] == "running":
        return _SPINNER
    mark, style = _MARKS[step["status"]]
    return Text(mark, style=style)


def _duration(step: dict[str, Any]) -> str:
    begun: datetime | None = step["started_at"]
    if begun is None or step["status"] in ("waiting", "queued", "cancelled"):
        return ""
    end: datetime = step["finished_at"] or utc_now()
    return f"{max((end - begun).total_seconds(), 0):.1f} s"


def _remark(step: dict[str, Any]) -> Text:
    if step["status"] == "queued" and step["attempts"]:
        again = step["run_after"].strftime("%H:%M:%S")
        return Text(f"attempt {step['attempts']}: {step['error'] or ''} (again at {again} UTC)", style="yellow")
    if step["status"] == "running" and step["attempts"] > 1:
        return Text(f"attempt {step['attempts']}, before: {step['error'] or ''}", style="yellow")
    return Text(step["error"] or "", style="red" if step["status"] == "error" else "dim")
