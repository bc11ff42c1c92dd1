"""What can go wrong, in one tree.

TenantryError
├── InvalidInput         a field, why it was refused and what to do      exit 2
│   └── NotFound         no such thing                                   exit 2
├── Conflict             the thing exists, or is owned by another        exit 2
├── IllegalTransition    not from this state                             exit 1
├── Busy                 something it needs is under way; try again soon  exit 1
├── LeaseLost            another orchestrator holds the task now         exit 1
└── Unavailable          something needed cannot be reached              exit 3
"""

from __future__ import annotations


class TenantryError(Exception):
    """Base of every error that a person is shown; ``exit_code`` is that of the command line."""

    exit_code = 1


class InvalidInput(TenantryError):
    """Bad input: names the field, the reason and the remedy."""

    exit_code = 2

    def __init__(self, field: str, reason: str, remedy: str = "") -> None:
        self.field, self.reason, self.remedy = field, reason, remedy
        super().__init__(f"{field}: {reason}" + (f"; {remedy}" if remedy else ""))


class NotFound(InvalidInput):
    """The named thing does not exist."""


class Conflict(TenantryError):
    """The thing exists already, or belongs to somebody else."""

    exit_code = 2


class IllegalTransition(TenantryError):
    """The state machine does not allow this step."""

    def __init__(self, subject: str, current: str, wanted: str) -> None:
        self.current, self.wanted = current, wanted
        super().__init__(f"a {subject} cannot go from {current} to {wanted}")


class Busy(TenantryError):
    """Something that this needs is still under way; the queue tries again in a few seconds."""


class LeaseLost(TenantryError):
    """The task is no longer ours: its lease expired and was given to another."""


class Unavailable(TenantryError):
    """A database, server or service that is needed does not answer."""

    exit_code = 3
