"""The executor that runs nothing, with the one fact that a later step of a chain needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.execute.fake import ScriptedExecutor

PUBLIC_KEY = "QUJD" * 98  # as long as a 2048-bit key in base64


def nothing_used(request: RunRequest) -> dict[str, object]:
    """Return the report of a server without accounts."""
    params = request.job["params"]
    said = {"accounts": {}, "complete": True, "through": params["days"][-2]["day"]}
    return dict.fromkeys(params["roles"], said)


class RecordingExecutor(ScriptedExecutor):
    """Succeeds after ``seconds``; ``script`` may answer otherwise for a request."""

    def __init__(self, seconds: float = 0.0, script: Callable[[RunRequest], RunResult | None] | None = None) -> None:
        super().__init__(script, seconds)

    def answer(self, request: RunRequest) -> RunResult:
        """Return the scripted result; a DKIM step reports a key, a challenge its thumbprint."""
        result = super().answer(request)
        if request.action == "web.challenge_present" and result is self.outcome:
            return replace(result, facts={"thumbprint": request.job["params"]["thumbprint"]})
        if request.action == "server.sync_usage" and result is self.outcome:
            return replace(result, usage=nothing_used(request))
        if request.action != "mail.dkim_present" or result is not self.outcome:
            return result
        params = request.job["params"]
        key = {"domain": params["domain"], "selector": params["selector"], "public_key": PUBLIC_KEY}
        return replace(result, facts={"dkim": key})

    @property
    def requests(self) -> list[RunRequest]:
        """What was asked, in order."""
        return self.history.requests

    @property
    def overlaps(self) -> list[str]:
        """Steps that ran twice at the same time."""
        return self.history.overlaps

    @property
    def most_on(self) -> Counter[str]:
        """The highest number of attempts at once, by server."""
        return self.history.most_on
