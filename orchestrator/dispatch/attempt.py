"""Attempts at tasks, one or several that share a run: a ladder of guard clauses, each with its own fate."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog
from peewee import DataError, IntegrityError, PeeweeException

from orchestrator.core.errors import Busy, Conflict, IllegalTransition, InvalidInput, LeaseLost, TenantryError
from orchestrator.core.names import shown
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome, Role, TaskStatus
from orchestrator.dispatch.facts import facts_effect
from orchestrator.execute.base import Executor
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan import backoff, catalog, jobs
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import fleet, orphans, outcome, services, snapshots, tasks, withheld
from orchestrator.store.claim import Claim
from orchestrator.store.database import patiently, session

logger = structlog.get_logger(__name__)

_INTERNAL = "an internal error; see the log"

Apply = Callable[[], dict[str, Any]]
_Ended = tuple[RunResult, Apply | None]  # and what is stored with it
Intents = Mapping[str, Callable[[Task], Apply]]  # action -> prepare; what it returns runs in the transaction
Locals = Mapping[str, Callable[[Task], dict[str, Any]]]
Outside = Mapping[str, Callable[[Task, Callable[[], bool]], Apply]]  # asks the world first; what it returns is recorded
Looks = Mapping[str, Callable[[Task, Callable[[], bool]], dict[str, Any] | None]]  # what was seen; None: cancelled
Complete = Callable[[Task, ServiceView], ServiceView]
Questions = Mapping[str, Callable[[Server], dict[str, Any]]]  # action on a server -> parameters of its job
Answers = Mapping[str, Callable[[Task, RunResult], dict[str, Any]]]  # action -> what stores a successful result


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """What the composition root hands in: this package knows neither what an intent means nor how a playbook is run."""

    intents: Intents
    locals: Locals
    executor: Executor
    outside: Outside = field(default_factory=dict)
    looks: Looks = field(default_factory=dict)  # intents that ask the servers and change nothing
    complete: Complete = lambda _, service: service  # adds what only a step that runs may see
    questions: Questions = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


@dataclass(frozen=True)
class _Begun:
    """A claimed task and what is to be done: something on a server, or nothing any more, for it has ended."""

    claim: Claim
    row: Task
    cancelled: Callable[[], bool]
    todo: RunRequest | _Ended


def run(claims: Sequence[Claim], handlers: Handlers, is_cancelled: Callable[[int], bool]) -> list[TaskStatus | None]:
    """Carry out claimed tasks and record how each ended; None for one whose lease was lost meanwhile.

    Several are of one action on one server and share a run there. ``is_cancelled`` is asked with a task's number.

    A database that is away for a while delays the record and loses nothing. Raises Unavailable when it is still away
    after the lease was lost or the orchestrator is asked to stop.
    """
    begun = [_begin(claim, handlers, partial(is_cancelled, claim.task_id)) for claim in claims]
    ended = _ended(begun, handlers)
    away = [result.outcome is Outcome.UNREACHABLE for result, _ in ended]
    return [_recorded(one, *ended[n], has_counted=any(away[:n])) for n, one in enumerate(begun)]


def _begin(claim: Claim, handlers: Handlers, cancelled: Callable[[], bool]) -> _Begun:
    row = patiently(lambda: tasks.get(claim.task_id), cancelled)
    return _Begun(claim, row, cancelled, _carry_out(row, claim, handlers, cancelled))


def _ended(begun: Sequence[_Begun], handlers: Handlers) -> list[_Ended]:
    """Return how each ended; those that need their server are done by one run."""
    asked = [(one, one.todo) for one in begun if isinstance(one.todo, RunRequest)]
    found: dict[int, RunResult] = {}
    if asked:
        results = handlers.executor.run_all([todo for _, todo in asked], [one.cancelled for one, _ in asked])
        found = {one.claim.task_id: result for (one, _), result in zip(asked, results, strict=True)}
    return [
        _from_server(one.row, found[one.claim.task_id], handlers) if isinstance(one.todo, RunRequest) else one.todo
        for one in begun
    ]


def _from_server(row: Task, said: RunResult, handlers: Handlers) -> _Ended:
    result = _overtaken(row, said)
    if result.outcome.is_success and row.action in handlers.answers:
        return result, lambda: handlers.answers[row.action](row, result)
    return result, facts_effect(row, result)


def _recorded(one: _Begun, result: RunResult, effects: Apply | None, has_counted: bool) -> TaskStatus | None:
    try:
        status = patiently(lambda: _record(one.claim, result, effects, has_counted), one.cancelled)
    except LeaseLost as lost:
        logger.warning("late result", action=one.row.action, task=one.row.id, error=str(lost))
        return None
    _log(one.row, result, status)
    return status


def _log(row: Task, result: RunResult, status: TaskStatus) -> None:
    seconds = round(result.duration_seconds, 2)
    logger.info(
        "attempt",
        action=row.action,
        task=row.id,
        service=row.service_id,
        outcome=str(result.outcome),
        status=str(status),
        seconds=seconds,
        error=result.message or None,
    )


def _carry_out(row: Task, claim: Claim, handlers: Handlers, cancelled: Callable[[], bool]) -> RunRequest | _Ended:
    """Do what needs no server, or return what to ask it."""
    if row.cancel_requested:
        return RunResult(outcome=Outcome.CANCELLED, message="cancelled before it began"), None
    try:
        if row.operation_id is None and row.action in handlers.looks:
            return _look(row, handlers, cancelled)
        if row.operation_id is None and row.action in handlers.intents:
            return RunResult(outcome=Outcome.CHANGED), handlers.intents[row.action](row)
        if row.action in handlers.locals and row.operation_id is not None:
            return RunResult(outcome=Outcome.CHANGED), lambda: handlers.locals[row.action](row)
        if row.action in handlers.outside and row.operation_id is not None:
            return _ask_outside(row, handlers, cancelled)
        request = patiently(lambda: _request(row, claim, handlers), cancelled)
    except TenantryError as error:
        if isinstance(error, InvalidInput) and row.operation_id is None:
            patiently(lambda: withheld.withhold(row.id), cancelled)
        return refused(error), None
    except Exception:
        logger.exception("attempt crashed", action=row.action, task=row.id)
        return RunResult(outcome=Outcome.FAILED, reason="internal", message=_INTERNAL), None
    if request is None:
        return RunResult(outcome=Outcome.CANCELLED, reason="superseded", message="superseded by a newer request"), None
    return request


def _ask_outside(row: Task, handlers: Handlers, cancelled: Callable[[], bool]) -> tuple[RunResult, Apply]:
    """Carry out a step of the orchestrator that talks to others, outside any transaction."""
    began = time.monotonic()
    with session():
        effects = handlers.outside[row.action](row, cancelled)
    return RunResult(outcome=Outcome.CHANGED, duration_seconds=time.monotonic() - began), effects


def _look(row: Task, handlers: Handlers, cancelled: Callable[[], bool]) -> tuple[RunResult, Apply | None]:
    """Carry out an intent that only looks; what it has seen is the task's result."""
    began = time.monotonic()
    seen = handlers.looks[row.action](row, cancelled)
    if seen is None:
        return RunResult(outcome=Outcome.CANCELLED, message="cancelled while the servers were asked"), None
    return RunResult(outcome=Outcome.OK, duration_seconds=time.monotonic() - began), lambda: seen


def _overtaken(row: Task, result: RunResult) -> RunResult:
    """Return the result; a step that a newer request has overtaken on the node is no failure."""
    if result.outcome is not Outcome.FENCED or row.service_id is None:
        return result
    if row.generation >= patiently(lambda: services.get(int(row.service_id or 0)).generation, lambda: False):
        return result
    return replace(result, outcome=Outcome.CANCELLED, reason="superseded", message="superseded by a newer request")


def refused(error: TenantryError) -> RunResult:
    """Return the result of input that can never work."""
    if isinstance(error, Busy):
        return RunResult(outcome=Outcome.FAILED, reason=backoff.UNDER_WAY, message=str(error))
    reason = "conflict" if isinstance(error, Conflict) else "invalid"
    kind = Outcome.INVALID if isinstance(error, InvalidInput | Conflict | IllegalTransition) else Outcome.FAILED
    return RunResult(outcome=kind, reason=reason, message=str(error))


def _request(row: Task, claim: Claim, handlers: Handlers) -> RunRequest | None:
    """Return what to run, or None when a newer intent has made this step pointless."""
    action = catalog.action(row.action)
    if action.kind != "step" or (row.operation_id is None and not action.is_of_server):
        raise InvalidInput("action", f"{action.name} cannot be asked for by itself", "ask for a service.* action")
    if action.is_of_server and row.service_id is not None:
        raise InvalidInput("service_id", f"{action.name} concerns a server", "leave service_id out")
    server = Server.get_or_none(Server.id == row.server_id)
    if server is None:
        raise InvalidInput("server_id", "is missing or not known", "see `tenantry server list`")
    if action.role and action.role not in server.role_set():
        raise InvalidInput(
            "server_id", f"server {server.name} has no role {Role(action.role)}", "choose another server"
        )
    job = _job(row, server, claim, handlers)
    if job is None:
        return None
    job = {**job, "reload_seconds": int(fleet.knob_value("reload.coalesce_seconds"))}
    return RunRequest(action=action.name, host=fleet.host(server), job=job, timeout_seconds=action.timeout_seconds)


def _job(row: Task, server: Server, claim: Claim, handlers: Handlers) -> dict[str, Any] | None:
    if row.service_id is None:
        for key in tasks.parse_params(row.params):
            raise InvalidInput(f"params.{shown(key)[1:-1]}", "is not known", f"{row.action} takes no params")
        if row.action in handlers.questions:
            return jobs.server_job(row.action, handlers.questions[row.action](server))
        hostname = server.hostname or server.name
        addresses = [address for address in (server.ipv4, server.ipv6) if address]
        params = {"roles": sorted(server.role_set()), "hostname": hostname, "addresses": addresses}
        return jobs.server_job(row.action, params)
    params = tasks.parse_params(row.params)
    if "orphan" in params:
        return orphans.job(params["orphan"], row.id, claim.token)
    service = snapshots.of(row.service_id)
    if row.generation < service.generation:
        return None
    return jobs.build(row.action, handlers.complete(row, service), params, row.step, claim.token)


def _record(claim: Claim, result: RunResult, effects: Apply | None, has_counted: bool) -> TaskStatus:
    """Record the result; when what belongs to a success is refused by the rows, that refusal is the result."""
    knobs = fleet.knob_values()
    policy = backoff.Policy(
        max_attempts=int(knobs["tasks.max_attempts"]),
        max_unreachable=int(knobs["tasks.max_unreachable"]),
        minutes=tuple(int(part) for part in str(knobs["tasks.backoff_minutes"]).split(",")),
        unreachable_seconds=int(knobs["server.circuit_seconds"]),
    )
    circuit = outcome.Circuit(
        after=int(knobs["server.circuit_after"]), seconds=int(knobs["server.circuit_seconds"]), has_counted=has_counted
    )

    def store(ended: RunResult, extra: Apply | None) -> TaskStatus:
        def decide(task: Task, seen: RunResult) -> backoff.Verdict:
            jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
            tries = replace(policy, max_attempts=1) if task.action in catalog.LOOKS else policy
            return backoff.decide(seen.outcome, seen.reason, task.attempts, task.unreachable, tries, jitter)

        return outcome.record(claim, ended, decide, circuit, extra)

    try:
        return store(result, effects)
    except (Busy, InvalidInput, Conflict, IllegalTransition) as error:
        return store(refused(error), None)
    except (IntegrityError, DataError) as error:  # another transaction was faster: the next attempt sees what it wrote
        logger.warning("lost a race", task=claim.task_id, error=str(error))
        message = "another request changed the same rows at the same time; it is tried again"
        return store(RunResult(outcome=Outcome.FAILED, reason="race", message=message), None)
    except (TenantryError, PeeweeException):
        raise  # the lease, or the database itself: the caller knows what to do
    except Exception:
        logger.exception("effects crashed", task=claim.task_id)
        return store(RunResult(outcome=Outcome.FAILED, reason="internal", message=_INTERNAL), None)
