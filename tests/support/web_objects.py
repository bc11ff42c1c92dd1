"""Steps of an account's databases, SFTP logins and cron jobs, and what they say about drift."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.support.steps import Steps


class Node(Protocol):
    """A web node of a test."""

    node: str
    steps: Steps

    def run(self, command: str, *, check: bool = True) -> str: ...


def act(node: Node, action: str, number: int, /, *, owner: int = 0, check: bool = False, **params: Any) -> RunResult:
    """Run one step for an account."""
    given = {"username": f"w{number}", **params}
    return node.steps.run(node.node, f"web.{action}", given, service=owner or number, check=check)


def native_hash(password: str) -> str:
    """Return a hash of mysql_native_password."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def told(result: RunResult) -> list[str]:
    """Return what a run says has changed: the heads of its differences."""
    diff = "\n".join(event.diff for event in result.events)
    return re.findall(r"(?m)^--- (.+)$", diff)


def heals(step: Callable[..., RunResult], expected: list[str]) -> None:
    """Require that a drift is told exactly, without being touched in check mode, then repaired, then gone."""
    rehearsed = step(check=True)
    assert (rehearsed.outcome, told(rehearsed)) == (Outcome.CHANGED, expected), rehearsed
    repaired = step()
    assert (repaired.outcome, told(repaired)) == (Outcome.CHANGED, expected), repaired
    again = step()
    assert again.outcome is Outcome.OK, again


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.1)


@contextmanager
def marked_suspended(node: Node, number: int) -> Iterator[None]:
    """Put the marker of a suspended account on the node for a while; nothing else of a suspension is done."""
    path = f"/etc/tenantry/web/suspended/w{number}.json"
    node.run(f"install -m 600 /dev/null {path}")
    try:
        yield
    finally:
        node.run(f"rm -f {path}")
