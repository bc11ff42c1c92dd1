"""How an attempt ended, in one transaction: row, log, what waited for it, server, operation, outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import LeaseLost, NotFound
from orchestrator.core.records import RunResult
from orchestrator.core.states import OPEN_STATUSES, Outcome, TaskStatus, check_task_transition
from orchestrator.models.fleet import Server
from orchestrator.models.task import LogEntry, Operation, Task
from orchestrator.plan.backoff import STOPPED, UNCOUNTED, Verdict
from orchestrator.plan.catalog import LOOKS
from orchestrator.plan.notices import FAILED, RECOVERED
from orchestrator.store import chains, notices, usage_outcome
from orchestrator.store.claim import Claim
from orchestrator.store.database import database_now, locked, transaction
from orchestrator.store.tasks import abandon, fail_service, log
from orchestrator.store.waiting import block_dependants, locked_with_operation, wake_dependants

Effects = Callable[[], dict[str, Any]]
Decide = Callable[[Task, RunResult], Verdict]


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """When a server that does not answer is left alone, and for how long."""

    after: int  # unreachable runs in a row
    seconds: int
    has_counted: bool = False  # another task of the same run has said that the server does not answer


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a task is now, and whether the next of its chain has begun with its end."""

    status: TaskStatus
    goes_on: bool = False


def record(
    claim: Claim,
    result: RunResult,
    decide: Decide,
    circuit: Circuit,
    effects: Effects | None = None,
    following: Claim | None = None,
) -> Recorded:
    """Store how an attempt ended and return what the task is now.

    ``effects`` are changes that belong to a success (the facts a step reported, the plan of an intent); what they return
    is kept as the task's result. ``following`` is the next of its chain: it begins with a success, and if it does not it waits
    again, with all behind it. Raises LeaseLost when the task is no longer ours: a late result changes nothing but the log.
    """
    done = transaction(lambda: _record(claim, result, decide, circuit, effects, following))
    if done is not None:
        return done
    raise LeaseLost(f"task {claim.task_id}: its lease was lost; the late result ({result.outcome}) is ignored")


def _record(
    claim: Claim,
    result: RunResult,
    decide: Decide,
    circuit: Circuit,
    effects: Effects | None,
    following: Claim | None,
) -> Recorded | None:
    row = locked_with_operation(claim.task_id)
    if row is None:
        return None
    if row.status != TaskStatus.RUNNING or row.lease_token != claim.token:
        log(row, "late_result", message="a result came after the lease was lost; it is ignored", outcome=result.outcome)
        return None
    if row.started_at is None:
        row.started_at = database_now() - timedelta(seconds=result.duration_seconds)
    result = _as_asked(row, result)
    produced = effects() if effects and result.outcome.is_success else None
    row.unreachable += result.outcome is Outcome.UNREACHABLE
    verdict = decide(row, result)
    _store(row, result, verdict, produced)
    if usage_outcome.is_sync(row) and not result.outcome.is_success:
        usage_outcome.let_go(row)
    _log_attempt(row, result)
    _note_server(row, result.outcome, circuit)
    goes_on = _go_on(row, verdict.status, following)
    _follow(row, verdict.status, result)
    return Recorded(status=verdict.status, goes_on=goes_on)


def _go_on(row: Task, status: TaskStatus, following: Claim | None) -> bool:
    """Let the next of the chain begin, or what was to follow wait again, before anything is said to what waits."""
    if status is TaskStatus.DONE:
        if following is None:
            return False  # the last one
        if chains.begin(following):
            return True
    chains.release(row)
    return False


def _as_asked(row: Task, result: RunResult) -> RunResult:
    """Return the result; an attempt that was ended although nobody wanted its task cancelled is simply tried again."""
    if result.outcome is not Outcome.CANCELLED or row.cancel_requested or result.reason == "superseded":
        return result
    message = "the orchestrator was stopped during this attempt; it is tried again"
    return replace(result, outcome=Outcome.LOST, reason=STOPPED, message=message)


def _store(row: Task, result: RunResult, verdict: Verdict, produced: dict[str, Any] | None) -> None:
    check_task_transition(TaskStatus(row.status), verdict.status)
    ended, now = verdict.status not in OPEN_STATUSES, database_now()
    kept = produced if produced is not None else {"outcome": str(result.outcome), "warnings": list(result.warnings)}
    Task.update(
        status=verdict.status,
        unreachable=row.unreachable,
        attempts=row.attempts - (result.reason in UNCOUNTED),
        run_after=row.run_after if ended else now + verdict.delay,
        started_at=row.started_at,
        lease_owner=None,
        lease_until=None,
        finished_at=now if ended else None,
        result=kept if result.outcome.is_success else None,
        error=None if result.outcome.is_success else result.message[:4000],
        blocked_by=None,
    ).where(Task.id == row.id).execute()


def _log_attempt(row: Task, result: RunResult) -> None:
    detail = {
        "events": [asdict(event) for event in result.events],
        "warnings": list(result.warnings),
        "duration_seconds": round(result.duration_seconds, 3),
    }
    log(
        row,
        "attempt",
        message=result.message,
        outcome=str(result.outcome),
        reason=result.reason[:32],
        started_at=row.started_at,
        detail=detail,
        actor=row.requested_by,
    )


def _note_server(row: Task, outcome: Outcome, circuit: Circuit) -> None:
    """Open a server's circuit after a few unreachable attempts in a row; close it and wake its tasks when it answers."""
    if row.server_id is None or outcome in (Outcome.LOST, Outcome.CANCELLED, Outcome.TIMEOUT, Outcome.INVALID):
        return
    server = locked(Server.select().where(Server.id == row.server_id)).first()
    if server is None:
        return
    if outcome is Outcome.UNREACHABLE:
        if not circuit.has_counted:
            _count_failure(server, circuit)
        return
    Server.update(failures=0, circuit_until=None, last_seen_at=utc_now()).where(Server.id == server.id).execute()
    subject = f"server:{server.name}"
    if server.failures and notices.has_told("server_unreachable", subject):
        notices.write("server_back", subject, {"server": server.name})
    if server.failures:
        Task.update(run_after=database_now()).where(
            (Task.server_id == server.id) & (Task.status == TaskStatus.QUEUED) & (Task.unreachable > 0)
        ).execute()


def _count_failure(server: Server, circuit: Circuit) -> None:
    failures = server.failures + 1
    until: datetime | None = server.circuit_until
    if failures >= circuit.after:
        until = database_now() + timedelta(seconds=circuit.seconds)
    if failures == circuit.after:
        notices.write("server_unreachable", f"server:{server.name}", {"server": server.name})
    Server.update(failures=failures, circuit_until=until).where(Server.id == server.id).execute()


def _follow(row: Task, status: TaskStatus, result: RunResult) -> None:
    if status is TaskStatus.DONE:
        wake_dependants(row.id)
        _close_operation(row)
    elif status is TaskStatus.ERROR:
        block_dependants(row, f"task {row.id} ({row.action}) failed: {result.message[:200]}")
        _fail(row, result)
    elif status is TaskStatus.CANCELLED:
        abandon(row, f"task {row.id} ({row.action}) was cancelled")


def _close_operation(row: Task) -> None:
    if row.operation_id is None:
        _recovered(row)
        return
    open_tasks = Task.select().where(
        (Task.operation_id == row.operation_id) & (Task.status << [*OPEN_STATUSES, TaskStatus.ERROR])
    )
    if not open_tasks.exists():
        Operation.update(status="done", finished_at=database_now(), error=None).where(
            Operation.id == row.operation_id
        ).execute()
        _recovered(row)


def _recovered(row: Task) -> None:
    """Whoever was told of the failure is told of the success."""
    if usage_outcome.is_sync(row):
        usage_outcome.succeeded(row)
        return
    if notices.has_told(FAILED, _subject(row)):
        notices.write(RECOVERED, _subject(row), {"task": row.id, "service": row.service_id, "action": row.action})


def _subject(row: Task) -> str:
    return f"operation:{row.operation_id}" if row.operation_id else f"task:{row.id}"


def _fail(row: Task, result: RunResult) -> None:
    """A step that is given up on fails its operation and its service, visibly, and is announced."""
    message = f"{row.action}: {result.message}"[:2000]
    if row.operation_id is not None:
        Operation.update(status="error", error=message, finished_at=database_now()).where(
            (Operation.id == row.operation_id) & (Operation.status != "cancelled")
        ).execute()
        fail_service(row, message)
    if row.action in LOOKS:  # whoever asked sees it on his page
        return
    if usage_outcome.is_sync(row):
        usage_outcome.failed(row, message)
        return
    told = {"task": row.id, "service": row.service_id, "action": row.action, "error": message}
    notices.write(FAILED, _subject(row), told)


def give_up(row: Task, message: str) -> None:
    """End a task in error without a result of its own, inside the caller's transaction."""
    check_task_transition(TaskStatus(row.status), TaskStatus.ERROR)
    was_running = row.status == TaskStatus.RUNNING
    Task.update(
        status=TaskStatus.ERROR,
        error=message,
        finished_at=database_now(),
        lease_owner=None,
        lease_until=None,
        lease_token=None,
    ).where(Task.id == row.id).execute()
    log(row, "given_up", message=message, outcome="lost", started_at=row.started_at)
    if was_running:
        chains.release(row)
    _follow(row, TaskStatus.ERROR, RunResult(outcome=Outcome.LOST, message=message))


def force_fail(task_id: int, actor: str) -> None:
    """End a task that is stuck. Its orchestrator, should it still live, loses the lease and stops the attempt."""

    def work() -> None:
        row = locked_with_operation(task_id)
        if row is None:
            raise NotFound("task", f"there is no task {task_id}", "see `tenantry task list`")
        give_up(row, f"force-failed by {actor}")

    transaction(work)


def attempts_of(task_id: int) -> list[LogEntry]:
    """Return the log of a task, oldest first."""
    return list(LogEntry.select().where(LogEntry.task_id == task_id).order_by(LogEntry.id))
