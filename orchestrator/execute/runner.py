"""The executor: carries out steps by attempts, and says of each step how it ended."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import workspace
from orchestrator.execute.attempts import Attempts
from orchestrator.execute.base import Cancelled, Chain
from orchestrator.execute.checks import Checked, checked, refusal
from orchestrator.execute.progress import Progress
from orchestrator.execute.settings import ExecutorSettings
from orchestrator.execute.warm.connections import Connections
from orchestrator.execute.warm.launcher import Launcher

logger = structlog.get_logger(__name__)

_NOT_BEGUN = RunResult(outcome=Outcome.CANCELLED, reason="cancelled", message="stopped on request")


class AnsibleExecutor:
    """Runs playbooks with ansible-runner. Threads may share one."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        self.attempts = Attempts(settings)
        self._told: Counter[str] = Counter()
        # "shared": steps that a run for several told of; "alone": those that it did not; "followed": not the first of a run
        self._steps: Counter[str] = Counter()
        try:
            swept = workspace.sweep(settings.run_root)
        except OSError as error:
            logger.warning("leftovers not removed", error=str(error))
        else:
            if swept:
                logger.info("leftovers removed", attempts=len(swept))

    @property
    def warm(self) -> Launcher | None:
        """What attempts are forked from; None when there is no such thing in this mode."""
        return self.attempts.warm

    @property
    def connections(self) -> Connections | None:
        """What attempts share to reach their servers; None when there is no such thing in this mode."""
        return self.attempts.connections

    def run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        told: list[RunResult] = []
        self._one(Chain([request], cancelled, told.append))
        return told[0]

    def run_all(self, chains: Sequence[Chain]) -> None:
        """Carry out several chains by one run; what that run does not tell of a chain, a run of its own does."""
        if len(chains) == 1:
            self._one(chains[0])
            return
        left = self._together(chains)
        if left:
            with ThreadPoolExecutor(len(left)) as pool:
                list(pool.map(self._or_not, left))

    def tally(self) -> Mapping[str, int]:
        """Return what has happened since the last call; see Launcher and Pool for the other words."""
        now = self.attempts.counts() + self._steps
        since = now - self._told
        self._told = now
        return since

    def close(self) -> None:
        """End the process that attempts are forked from, and the open connections."""
        self.attempts.close()

    def _or_not(self, chain: Chain) -> None:
        if chain.cancelled():
            chain.tell(_NOT_BEGUN)
        else:
            self._one(chain)

    def _together(self, chains: Sequence[Chain]) -> Sequence[Chain]:
        """Carry out several by one run and return what is left: all where any of them could keep it from beginning."""
        try:
            wanted = checked([chain.requests for chain in chains], self._settings)
            if refusal(wanted.host, self._settings):
                return chains
        except (InvalidInput, OSError) as error:  # each by itself says whose fault it is, and why
            logger.info("run for several not possible", action=chains[0].requests[0].action, error=str(error))
            return chains
        progress = Progress(chains, wanted.host)
        try:
            self._attempt(wanted, progress)
        except OSError as error:
            logger.info("run for several broke off", action=chains[0].requests[0].action, error=str(error))
        left = progress.left()
        self._steps.update(shared=progress.told, alone=sum(len(chain.requests) for chain in left))
        return left

    def _one(self, chain: Chain) -> None:
        """Carry out a chain to its end."""
        try:
            result = self._carried_out(chain)
        except InvalidInput as error:
            if len(chain.requests) > 1:  # any of its steps may be meant
                _step_by_step(chain, self._one)
                return
            result = RunResult(outcome=Outcome.INVALID, reason="invalid", message=str(error))
        except OSError as error:
            result = _controller_failed(error)
        if result:
            chain.tell(result)

    def _carried_out(self, chain: Chain, is_plain: bool = False) -> RunResult | None:
        """Carry out a chain and let its run tell the results; one that is returned is to be told instead."""
        wanted = checked([chain.requests], self._settings)
        if refused := refusal(wanted.host, self._settings):
            return refused
        progress = Progress([chain], wanted.host)
        is_lost = self._attempt(wanted, progress, is_plain)
        self._steps["followed"] += max(progress.told - 1, 0)
        left = progress.left()
        return self._carried_out(left[0], is_plain=True) if is_lost and left else None

    def _attempt(self, wanted: Checked, progress: Progress, is_plain: bool = False) -> bool:
        """Make an attempt and let it tell its results; True when it was forked and ended without a word."""
        ended = self.attempts.make(wanted, progress.is_cancelled, progress.see, is_plain)
        is_lost = ended.forked and ended.broke_off
        if self.warm and is_lost:
            self.warm.doubt("lost")
        else:
            progress.finish(ended)
        return is_lost


def _step_by_step(chain: Chain, carry_out: Callable[[Chain], None]) -> None:
    """Carry out each step of a chain by a run of its own, until one does not succeed."""
    told: list[RunResult] = []

    def tell(result: RunResult) -> None:
        told.append(result)
        chain.tell(result)

    for request in chain.requests:
        carry_out(Chain([request], chain.cancelled, tell))
        if not told[-1].outcome.is_success:
            return


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
