"""States and the only transitions allowed between them."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.core.errors import IllegalTransition


class TaskStatus(StrEnum):
    """Where a task row stands."""

    WAITING = "waiting"  # for another task of its operation
    QUEUED = "queued"  # due at run_after
    RUNNING = "running"  # leased by an orchestrator; while it has no start it is next in a run that is under way
    DONE = "done"
    ERROR = "error"  # terminal: attempts used up, or input that can never work
    CANCELLED = "cancelled"  # withdrawn, or superseded by a newer intent


class ServiceStatus(StrEnum):
    """Where a customer's account stands."""

    PENDING = "pending"
    DEPLOYING = "deploying"
    ACTIVE = "active"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    UNSUSPENDING = "unsuspending"
    TERMINATING = "terminating"
    PENDING_TERMINATE = "pending_terminate"
    TERMINATED = "terminated"
    FAILED = "failed"


class Desired(StrEnum):
    """Where the newest intent wants a service to end."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class ServerStatus(StrEnum):
    """Whether a server takes work."""

    ACTIVE = "active"
    DRAINING = "draining"  # keeps its services, takes no new ones
    MAINTENANCE = "maintenance"  # its tasks wait
    GONE = "gone"  # never contacted again


class Role(StrEnum):
    """What a server can do, and what a service needs."""

    WEB = "web"
    MAIL = "mail"
    DNS = "dns"


class Mode(StrEnum):
    """How a service is laid out over servers."""

    SPLIT = "split"  # each role on the least loaded server that has it
    UNIFIED = "unified"  # web and mail on one server
    VANITY = "vanity"  # a subdomain, a mailbox and a record under a provider's domain


class Outcome(StrEnum):
    """How one attempt ended; `retry_policy` of `plan.backoff` decides what follows."""

    OK = "ok"  # nothing had to change
    CHANGED = "changed"
    UNREACHABLE = "unreachable"  # the server, not the work, is the problem
    FAILED = "failed"
    INVALID = "invalid"  # bad input: no retry can help
    TIMEOUT = "timeout"
    LOST = "lost"  # the run ended without a result
    FENCED = "fenced"  # the node has already seen a newer attempt
    CANCELLED = "cancelled"  # stopped on request

    @property
    def is_success(self) -> bool:
        """True when the node is in the wanted state."""
        return self in (Outcome.OK, Outcome.CHANGED)


_T, _S = TaskStatus, ServiceStatus

TASK_TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    _T.WAITING: frozenset({_T.QUEUED, _T.RUNNING, _T.CANCELLED, _T.ERROR}),  # RUNNING: follows in a run
    _T.QUEUED: frozenset({_T.RUNNING, _T.CANCELLED, _T.ERROR, _T.DONE}),
    _T.RUNNING: frozenset({_T.DONE, _T.ERROR, _T.QUEUED, _T.WAITING, _T.CANCELLED}),  # WAITING: its turn never came
    _T.DONE: frozenset(),
    _T.ERROR: frozenset({_T.QUEUED, _T.WAITING}),  # `task retry`
    _T.CANCELLED: frozenset(),
}

_ENDING = frozenset({_S.TERMINATING, _S.PENDING_TERMINATE, _S.TERMINATED})  # TERMINATED at once: by force

SERVICE_TRANSITIONS: dict[ServiceStatus, frozenset[ServiceStatus]] = {
    _S.PENDING: frozenset({_S.DEPLOYING, _S.FAILED, _S.SUSPENDING, *_ENDING}),
    _S.DEPLOYING: frozenset({_S.ACTIVE, _S.FAILED, _S.SUSPENDING, _S.DEPLOYING, *_ENDING}),
    _S.ACTIVE: frozenset({_S.DEPLOYING, _S.SUSPENDING, *_ENDING}),
    _S.SUSPENDING: frozenset({_S.SUSPENDED, _S.SUSPENDING, _S.UNSUSPENDING, _S.FAILED, *_ENDING}),
    _S.SUSPENDED: frozenset({_S.SUSPENDING, _S.UNSUSPENDING, *_ENDING}),
    _S.UNSUSPENDING: frozenset({_S.ACTIVE, _S.DEPLOYING, _S.SUSPENDING, _S.UNSUSPENDING, _S.FAILED, *_ENDING}),
    _S.TERMINATING: frozenset({_S.TERMINATED, _S.TERMINATING, _S.FAILED}),
    _S.PENDING_TERMINATE: frozenset({_S.SUSPENDING, _S.UNSUSPENDING, *_ENDING}),  # the first two withdraw it
    _S.TERMINATED: frozenset({_S.PENDING}),  # ordered anew under the same id
    _S.FAILED: frozenset({_S.DEPLOYING, _S.SUSPENDING, _S.UNSUSPENDING, *_ENDING}),
}

# The state of a service on its way to where it is wanted.
TOWARDS: dict[Desired, ServiceStatus] = {
    Desired.ACTIVE: _S.DEPLOYING,
    Desired.SUSPENDED: _S.SUSPENDING,
    Desired.TERMINATED: _S.TERMINATING,
}

# While an operation is on its way there, a step that is given up on fails the service.
ON_THE_WAY = frozenset({_S.PENDING, _S.DEPLOYING, _S.SUSPENDING, _S.UNSUSPENDING, _S.TERMINATING, _S.FAILED})

OPEN_STATUSES = frozenset({_T.WAITING, _T.QUEUED, _T.RUNNING})


def check_task_transition(current: TaskStatus, wanted: TaskStatus) -> None:
    """Raise IllegalTransition unless a task may go from ``current`` to ``wanted``."""
    if wanted not in TASK_TRANSITIONS[current]:
        raise IllegalTransition("task", current, wanted)


def check_service_transition(current: ServiceStatus, wanted: ServiceStatus) -> None:
    """Raise IllegalTransition unless a service may go from ``current`` to ``wanted``."""
    if wanted not in SERVICE_TRANSITIONS[current]:
        raise IllegalTransition("service", current, wanted)
