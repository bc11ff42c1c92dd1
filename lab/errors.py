"""What can go wrong, each with the remedy and the exit code it ends the command with."""

from __future__ import annotations


class LabError(Exception):
    """An operation of the lab failed."""

    exit_code = 1

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why} — {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy


class UsageError(LabError):
    """The caller asked for something that makes no sense."""

    exit_code = 2


class MissingError(LabError):
    """The machine lacks something, or a node does not answer."""

    exit_code = 3
