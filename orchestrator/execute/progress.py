"""How far the chains of one run have come: what the run says of each step is told as soon as the next one begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.records import Host, RunResult
from orchestrator.execute import target
from orchestrator.execute.base import Chain
from orchestrator.execute.classify import BAD_REPORT, NO_REPORT, classify, classify_each, classify_stage
from orchestrator.execute.supervise import Ended


@dataclass
class _Going:
    """A chain, under the name that its server has for it in the inventory."""

    chain: Chain
    alias: str
    told: int = 0
    is_over: bool = False

    def tell(self, result: RunResult) -> None:
        """Tell the result of the next step."""
        self.told += 1
        self.is_over = not result.outcome.is_success or self.told == len(self.chain.requests)
        self.chain.tell(result)


class Progress:
    """Reads the lines of one run, each play of which is the same step of every chain."""

    def __init__(self, chains: Sequence[Chain], host: Host) -> None:
        self._host = host
        aliases = target.aliases(host, len(chains))
        self._all = [_Going(chain, alias) for chain, alias in zip(chains, aliases, strict=True)]
        self._lines: list[dict[str, Any]] = []  # of this play
        self._plays = 0
        self._began = time.monotonic()
        self._is_unclear = False

    def see(self, line: dict[str, Any]) -> None:
        """Take the next line; one that begins a further play is the end of the step before."""
        if line.get("kind") == "play":
            self._plays += 1
            if self._plays > 1:
                self._end_stage()
        self._lines.append(line)

    def is_cancelled(self) -> bool:
        """True when the run must end: somebody asks for it, or what it is doing is nobody's work any more."""
        going = self._going()
        return self._is_unclear or not going or any(one.chain.cancelled() for one in going)

    def finish(self, ended: Ended) -> None:
        """Tell how the step ended that was carried out when the run was over.

        Of a run for several it may not be known; see ``left``.
        """
        going, here = self._going(), replace(ended, lines=list(self._lines))
        if len(self._all) > 1:
            found = dict(
                zip([one.alias for one in self._all], classify_each(here, self._host, len(self._all)), strict=True)
            )
            for one in going:
                self._tell(one, found[one.alias])
        elif going:
            timeout = going[0].chain.requests[going[0].told].timeout_seconds
            self._tell(going[0], classify(here, self._host, timeout))

    def left(self) -> list[Chain]:
        """Return what is left of each chain of which the run has not told the end."""
        return [replace(one.chain, requests=one.chain.requests[one.told :]) for one in self._going()]

    @property
    def told(self) -> int:
        """How many steps it has told of."""
        return sum(one.told for one in self._all)

    def _going(self) -> list[_Going]:
        return [one for one in self._all if not one.is_over]

    def _end_stage(self) -> None:
        """Tell how a step ended. ansible goes on with a host that gave no usable report; the run then has to end."""
        is_alone = len(self._all) == 1
        for one in self._going():
            result = classify_stage(self._lines, self._host, one.alias)
            self._is_unclear |= result is None or result.reason == BAD_REPORT
            self._tell(one, NO_REPORT if result is None and is_alone else result)
        self._lines, self._began = [], time.monotonic()

    def _tell(self, one: _Going, result: RunResult | None) -> None:
        if result is not None:
            one.tell(replace(result, duration_seconds=time.monotonic() - self._began))
