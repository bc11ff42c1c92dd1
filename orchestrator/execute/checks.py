"""What must be beyond doubt before anything is run: the server, the playbooks, the jobs, and this machine."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import job, target, workspace
from orchestrator.execute.settings import ExecutorSettings

_ACTION = re.compile(r"[a-z]{1,20}\.[a-z]{1,30}(?:_[a-z]{1,30}){0,5}")
_DAY = 86_400


@dataclass(frozen=True)
class Checked:
    """What one run does: playbooks one after another, each for the jobs of as many services."""

    host: Host
    playbooks: tuple[Path, ...]
    documents: tuple[tuple[str, ...], ...]  # a row for each service, with a job for each playbook
    timeouts: tuple[int, ...]  # seconds, of each playbook
    check: bool  # ansible's check mode


def checked(chains: Sequence[Sequence[RunRequest]], settings: ExecutorSettings) -> Checked:
    """Return what to run, InvalidInput when any of it is not plainly what it should be.

    ``chains`` have the same actions in the same order, on the same server.
    """
    first = chains[0]
    return Checked(
        host=target.check(first[0].host),
        playbooks=tuple(_playbook(request, settings.project_root) for request in first),
        documents=tuple(tuple(job.document(request.job) for request in chain) for chain in chains),
        timeouts=tuple(request.timeout_seconds for request in first),
        check=first[0].check,
    )


def _playbook(request: RunRequest, project_root: Path) -> Path:
    if not _ACTION.fullmatch(str(request.action)):
        raise InvalidInput("action", f"{shown(request.action)} is no action", "see `tenantry task actions`")
    if not 0 < request.timeout_seconds <= _DAY:
        raise InvalidInput("timeout_seconds", "is out of range", f"use 1 to {_DAY}")
    path = project_root / "playbooks" / f"{request.action.replace('.', '/')}.yml"
    if not path.is_file():
        raise InvalidInput("action", f"{request.action} has no playbook", f"add {path.relative_to(path.parents[2])}")
    return path


def refusal(host: Host, settings: ExecutorSettings) -> RunResult | None:
    """Return why no connection can succeed at all; the server's pause is then the right answer, not a failed task.

    OSError when this machine has too little space for an attempt.
    """
    if not host.host_keys:
        message = f"no SSH host key of {host.name} is pinned; add one before anything runs there"
        return RunResult(outcome=Outcome.UNREACHABLE, reason="host_key", message=message)
    if not os.access(settings.private_key, os.R_OK):
        message = f"the orchestrator's SSH key {settings.private_key} cannot be read"
        return RunResult(outcome=Outcome.UNREACHABLE, reason="login", message=message)
    if workspace.free_bytes(settings.run_root) < settings.free_bytes:
        raise OSError(errno.ENOSPC, "too little space is left", str(settings.run_root))
    return None
