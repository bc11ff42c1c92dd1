"""The plain executor: one fresh directory, one helper process and one ansible-playbook for every attempt."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import environment, job, supervise, target, workspace
from orchestrator.execute.classify import classify
from orchestrator.execute.text import Mask

logger = structlog.get_logger(__name__)

_ACTION = re.compile(r"[a-z]{1,20}\.[a-z]{1,30}(?:_[a-z]{1,30}){0,5}")
_PATH = re.compile(r"/[A-Za-z0-9/._@+-]*")  # ssh splits its options at blanks and ansible reads braces
_BACKSTOP_SECONDS = 30  # ansible-runner's own deadline comes after ours
_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class ExecutorSettings:
    """Where things are and how much an attempt may take."""

    project_root: Path  # playbooks/, roles/ and collections/ lie here
    run_root: Path  # private; one directory an attempt
    private_key: Path  # logs in to the servers
    connect_timeout: int = 5
    connect_retries: int = 2  # a busy sshd drops connections (MaxStartups)
    idle_timeout: float = 900.0  # without any event: as long as the longest single task
    grace_seconds: float = 3.0  # between SIGTERM and SIGKILL
    maximum_events: int = 5_000
    maximum_bytes: int = 8_000_000  # of all events of an attempt
    received_bytes: int = 32_000_000  # that a server may say in an attempt
    memory_bytes: int = 1_000_000_000  # of address space, for each process of an attempt
    file_bytes: int = 64_000_000  # of each file an attempt writes
    free_bytes: int = 64_000_000  # that must be left where attempts live

    def __post_init__(self) -> None:
        for name in ("project_root", "run_root", "private_key"):
            if not _PATH.fullmatch(str(getattr(self, name))):
                raise InvalidInput(
                    name,
                    f"{shown(str(getattr(self, name)))} is not usable",
                    "use an absolute path of A-Z a-z 0-9 /._@+-",
                )


class AnsibleExecutor:
    """Runs playbooks with ansible-runner. Threads may share one."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        try:
            swept = workspace.sweep(settings.run_root)
        except OSError as error:
            logger.warning("leftovers not removed", error=str(error))
        else:
            if swept:
                logger.info("leftovers removed", attempts=len(swept))

    def run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        began = time.monotonic()
        try:
            result = self._run(request, cancelled)
        except InvalidInput as error:
            result = RunResult(outcome=Outcome.INVALID, reason="invalid", message=str(error))
        except OSError as error:
            result = _controller_failed(error)
        return replace(result, duration_seconds=time.monotonic() - began)

    def close(self) -> None:
        """Nothing is held between runs."""

    def _run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        settings = self._settings
        host, playbook, document = target.check(request.host), self._playbook(request), job.document(request.job)
        refused = self._refusal(host)
        if refused:
            return refused
        with workspace.attempt(settings.run_root, host, document, _RUNNER_SETTINGS) as directory:
            variables = environment.build(
                attempt=directory,
                project_root=settings.project_root,
                private_key=settings.private_key,
                connect_timeout=settings.connect_timeout,
                retries=settings.connect_retries,
                token=secrets.randbits(62),
            )
            order = self._order(request, host, playbook, directory)
            ended = supervise.supervise(order, variables, self._limits(request), cancelled)
        if ended.survivors:
            logger.error("processes survived SIGKILL", action=request.action, processes=ended.survivors)
        ended.complaint = Mask(request.job).text(ended.complaint)
        return classify(ended, host, request.timeout_seconds)

    def _playbook(self, request: RunRequest) -> Path:
        if not _ACTION.fullmatch(str(request.action)):
            raise InvalidInput("action", f"{shown(request.action)} is no action", "see `tenantry task actions`")
        if not 0 < request.timeout_seconds <= _DAY:
            raise InvalidInput("timeout_seconds", "is out of range", f"use 1 to {_DAY}")
        path = self._settings.project_root / "playbooks" / f"{request.action.replace('.', '/')}.yml"
        if not path.is_file():
            raise InvalidInput(
                "action", f"{request.action} has no playbook", f"add {path.relative_to(path.parents[2])}"
            )
        return path

    def _refusal(self, host: Host) -> RunResult | None:
        """Return why no connection can succeed at all; the server's pause is then the right answer, not a failed task."""
        if not host.host_keys:
            message = f"no SSH host key of {host.name} is pinned; add one before anything runs there"
            return RunResult(outcome=Outcome.UNREACHABLE, reason="host_key", message=message)
        if not os.access(self._settings.private_key, os.R_OK):
            message = f"the orchestrator's SSH key {self._settings.private_key} cannot be read"
            return RunResult(outcome=Outcome.UNREACHABLE, reason="login", message=message)
        if workspace.free_bytes(self._settings.run_root) < self._settings.free_bytes:
            raise OSError(errno.ENOSPC, "too little space is left", str(self._settings.run_root))
        return None

    def _order(self, request: RunRequest, host: Host, playbook: Path, directory: Path) -> dict[str, Any]:
        settings = self._settings
        return {
            "attempt": directory.name,
            "directory": str(directory),
            "playbook": str(playbook),
            "inventory": str(directory / "inventory.json"),
            "job_file": str(directory / "job.json"),
            "limit": host.name,
            "connect": environment.connect_ahead(directory, host, settings.private_key, settings.connect_timeout),
            "check": request.check,
            "timeout_seconds": request.timeout_seconds + _BACKSTOP_SECONDS,
            "grace_seconds": settings.grace_seconds,
            "maximum_events": settings.maximum_events,
            "maximum_bytes": settings.maximum_bytes,
            "memory_bytes": settings.memory_bytes,
            "file_bytes": settings.file_bytes,
        }

    def _limits(self, request: RunRequest) -> supervise.Limits:
        return supervise.Limits(
            timeout_seconds=request.timeout_seconds,
            idle_seconds=self._settings.idle_timeout,
            grace_seconds=self._settings.grace_seconds,
            maximum_bytes=self._settings.maximum_bytes + 1_000_000,
            received_bytes=self._settings.received_bytes,
        )


_RUNNER_SETTINGS = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": 1}


def _controller_failed(error: OSError) -> RunResult:
    """Return the result of an attempt that the orchestrator's own machine could not carry out."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some disk space" if full else "see the log"
    logger.error("attempt not possible on this machine", error=str(error))
    return RunResult(
        outcome=Outcome.LOST,
        reason="controller_disk_full" if full else "controller",
        message=f"the orchestrator's machine could not run the step: {error.strerror or error}; {advice}",
    )
