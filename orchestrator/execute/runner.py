"""The executor: one fresh directory, one helper process and one run of ansible-playbook for every attempt.

The helper is forked from a process that has everything in memory already, or started anew: the plain way, always there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import environment, job, orders, supervise, target, workspace
from orchestrator.execute.base import Cancelled
from orchestrator.execute.classify import classify, classify_each
from orchestrator.execute.settings import WARM, ExecutorSettings
from orchestrator.execute.supervise import Cause, Ended, Helper
from orchestrator.execute.text import Mask
from orchestrator.execute.warm.connections import Connections, Lent
from orchestrator.execute.warm.launcher import Launcher
from orchestrator.execute.warm.process import Template

logger = structlog.get_logger(__name__)

_ACTION = re.compile(r"[a-z]{1,20}\.[a-z]{1,30}(?:_[a-z]{1,30}){0,5}")
_DAY = 86_400
_PRIMING = Path(__file__).parent / "warm" / "priming.yml"
_NOT_BEGUN = RunResult(outcome=Outcome.CANCELLED, reason="cancelled", message="stopped on request")
_NOBODY = Host(name="nobody", address="127.0.0.1", login="nobody", roles=("web",), host_keys=())


@dataclass(frozen=True)
class _Checked:
    """Requests of which nothing is in doubt any more: one, or several of one action on one server."""

    request: RunRequest  # the first of them
    host: Host
    playbook: Path
    documents: tuple[str, ...]


class AnsibleExecutor:
    """Runs playbooks with ansible-runner. Threads may share one."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        is_warm = settings.mode == WARM
        self.warm = Launcher(self._template, settings.project_root) if is_warm else None
        self._connections = Connections(self._directory, self._open_connection) if is_warm else None
        self._told: Counter[str] = Counter()
        self._jobs: Counter[str] = Counter()  # "shared": jobs that one run told of; "alone": those that it did not
        try:
            swept = workspace.sweep(settings.run_root)
        except OSError as error:
            logger.warning("leftovers not removed", error=str(error))
        else:
            if swept:
                logger.info("leftovers removed", attempts=len(swept))

    def run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        began = time.monotonic()
        try:
            result = self._run(request, cancelled)
        except InvalidInput as error:
            result = RunResult(outcome=Outcome.INVALID, reason="invalid", message=str(error))
        except OSError as error:
            result = _controller_failed(error)
        return replace(result, duration_seconds=time.monotonic() - began)

    def run_all(self, requests: Sequence[RunRequest], cancelled: Sequence[Cancelled]) -> list[RunResult]:
        """Run one playbook for several jobs on one server; what that run does not tell of a job, a run of its own does."""
        if len(requests) == 1:
            return [self.run(requests[0], cancelled[0])]
        found = self._run_together(requests, cancelled)
        self._jobs.update("shared" if result else "alone" for result in found)
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(self._or_alone, found, requests, cancelled))

    def _or_alone(self, found: RunResult | None, request: RunRequest, cancelled: Cancelled) -> RunResult:
        return found or (_NOT_BEGUN if cancelled() else self.run(request, cancelled))

    def tally(self) -> Mapping[str, int]:
        """Return what has happened since the last call; see Launcher and Pool for the other words."""
        now = Counter(self._jobs)
        for one in (self.warm, self._connections):
            now += one.counts if one else Counter()
        since = now - self._told
        self._told = now
        return since

    def close(self) -> None:
        """End the process that attempts are forked from, and the open connections."""
        if self.warm:
            self.warm.close()
        if self._connections:
            self._connections.close()

    def _run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        host, playbook, document = target.check(request.host), self._playbook(request), job.document(request.job)
        refused = self._refusal(host)
        if refused:
            return refused
        ended = self._ended(_Checked(request, host, playbook, (document,)), cancelled)
        ended.complaint = Mask(request.job).text(ended.complaint)
        return classify(ended, host, request.timeout_seconds)

    def _run_together(
        self, requests: Sequence[RunRequest], cancelled: Sequence[Cancelled]
    ) -> Sequence[RunResult | None]:
        """Return what one run tells of each job; nothing where any of them could keep it from beginning."""
        began, first = time.monotonic(), requests[0]
        unknown: list[RunResult | None] = [None] * len(requests)
        try:
            host, documents = target.check(first.host), tuple(job.document(one.job) for one in requests)
            if self._refusal(host):
                return unknown
            checked = _Checked(first, host, self._playbook(first), documents)
            ended = self._ended(checked, lambda: any(ask() for ask in cancelled))
        except (InvalidInput, OSError) as error:  # each by itself says whose fault it is, and why
            logger.info("run for several not possible", action=first.action, error=str(error))
            return unknown
        seconds = time.monotonic() - began
        found = classify_each(ended, host, len(requests))
        return [replace(result, duration_seconds=seconds) if result else None for result in found]

    def _ended(self, checked: _Checked, cancelled: Cancelled) -> Ended:
        """Make an attempt, and one more the plain way when a forked one ended without a word."""
        ended = self._attempt(checked, cancelled, self.warm)
        if self.warm and ended.forked and ended.broke_off:
            self.warm.doubt("lost")
            ended = self._attempt(checked, cancelled, None)
        if ended.survivors:
            logger.error("processes survived SIGKILL", action=checked.request.action, processes=ended.survivors)
        return ended

    def _attempt(self, checked: _Checked, cancelled: Cancelled, warm: Launcher | None) -> Ended:
        """Make an attempt: forked from a template where there is one, the plain way otherwise."""
        settings = self._settings

        def start(order: Mapping[str, Any], variables: Mapping[str, str], directory: Path) -> Helper:
            channel = lent.interpreter.channel.fileno() if lent.interpreter else None
            helper = warm.start(order, variables, directory, channel) if warm else None
            return helper or supervise.start(order, variables, directory)

        plugin = target.SSH_WITH_INTERPRETER if warm else target.SSH
        with (
            workspace.attempt(
                settings.run_root, checked.host, checked.documents, orders.RUNNER_SETTINGS, connection=plugin
            ) as directory,
            self._connection(checked.host, directory, warm) as lent,
        ):
            order = orders.order(
                settings, checked.request, checked.host, checked.playbook, directory, len(checked.documents)
            )
            variables, limits = orders.variables(settings, directory), self._limits(checked.request)
            ended = supervise.supervise(order, variables, limits, cancelled, start)
            lent.is_over = ended.cause is Cause.EXIT and not ended.broke_off
            return ended

    def _connection(
        self, host: Host, directory: Path, warm: Launcher | None
    ) -> contextlib.AbstractContextManager[Lent]:
        if self._connections and warm:
            return self._connections.shared_with(host, directory)
        return contextlib.nullcontext(Lent())

    def _directory(self, host: Host) -> contextlib.AbstractContextManager[Path]:
        return workspace.attempt(self._settings.run_root, host, ["{}"], {}, "c")

    def _open_connection(self, host: Host, directory: Path, what: str) -> tuple[list[str], Mapping[str, str]]:
        settings = self._settings
        command = environment.keep_open(directory, host, settings.private_key, settings.connect_timeout, what)
        return command, orders.variables(settings, directory)

    @contextlib.contextmanager
    def _template(self) -> Iterator[Template]:
        """Yield a process that is being primed, and end it."""
        settings = self._settings
        request = RunRequest(
            action="execute.prime", host=_NOBODY, job={"action": "execute.prime", "params": {}}, timeout_seconds=60
        )
        document = job.document(request.job)
        with workspace.attempt(settings.run_root, _NOBODY, [document], orders.RUNNER_SETTINGS, "t") as directory:
            order = orders.order(settings, request, _NOBODY, _PRIMING, directory)
            template = Template(order, orders.variables(settings, directory), directory)
            try:
                yield template
            finally:
                template.close()

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

    def _limits(self, request: RunRequest) -> supervise.Limits:
        return supervise.Limits(
            timeout_seconds=request.timeout_seconds,
            idle_seconds=self._settings.idle_timeout,
            grace_seconds=self._settings.grace_seconds,
            maximum_bytes=self._settings.maximum_bytes + 1_000_000,
            received_bytes=self._settings.received_bytes,
        )


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
