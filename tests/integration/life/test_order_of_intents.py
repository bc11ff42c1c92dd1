"""Whatever comes in the midst of a deploy: the servers end in the state of the newest wish, and in no other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task
from orchestrator.store import fleet as fleets
from orchestrator.store.database import is_sqlite
from tests.integration.life.conftest import Life

WISHES: dict[str, Sequence[tuple[str, dict[str, Any]]]] = {
    "terminate": [("terminate", {})],
    "force": [("terminate", {"force": True})],
    "suspend": [("suspend", {})],
    "redeploy": [("redeploy", {})],
    "twice": [("suspend", {}), ("unsuspend", {}), ("unsuspend", {})],
    "back and forth": [("suspend", {}), ("unsuspend", {}), ("suspend", {})],
    "redeploy twice": [("redeploy", {}), ("redeploy", {})],
}
STEPS = 14
EVERY = ("terminate", "suspend", "redeploy")  # the others, and the second database, after every fourth step
ORDER = {"domain": "shop.test", "package": "small", "group": "standard"}


def after_step(life: Life, number: int) -> None:
    """Let a deploy go on until so many of its steps have ended."""
    wanted = len(life.executor.requests) + number
    life.settle(until=lambda: len(life.executor.requests) >= wanted)


@pytest.mark.parametrize("wish", WISHES)
def test_a_wish_after_every_step_of_a_deploy_ends_like_one_after_the_whole(life: Life, wish: str) -> None:
    fleets.set_group("standard", "suspended_dns", "withdraw")
    life.order()
    for action, params in WISHES[wish]:
        life.done(action, **params)
    clean, status = life.executor.state(), life.status()
    if status != "terminated":
        life.done("terminate")
    for number in range(0, STEPS + 1, 1 if wish in EVERY and is_sqlite() else 4):
        life.ask("create", **ORDER)
        after_step(life, number)
        for action, params in WISHES[wish]:
            life.ask(action, **params)
            life.settle(
                until=lambda: not Task.select().where(Task.operation_id.is_null() & (Task.status == "queued")).exists()
            )
        life.settle()
        assert (life.status(), life.executor.state()) == (status, clean), number
        assert Operation.select().where(Operation.status << ["running", "error"]).count() == 0, number
        if status != "terminated":
            life.done("terminate")
            assert not any(life.executor.state().values())


def test_random_wishes_at_random_moments_end_where_the_last_one_wants(life: Life) -> None:
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    ends = {"terminate": "terminated", "suspend": "suspended"}
    for _ in range(6):
        life.ask("create", **ORDER)
        said = ["create"]
        for _ in range(dice.randrange(1, 6)):
            after = dice.randrange(0, 6)
            life.settle(until=lambda: True) if after == 0 else _go_on(life, after)
            said.append(dice.choice(["suspend", "unsuspend", "redeploy", "repair", "plan", "terminate"]))
            life.ask(said[-1], **({"action": "service.terminate"} if said[-1] == "plan" else {}))
        life.settle()
        row = Service.get_by_id(1001)
        expected = _expected(said)
        assert row.status == ends.get(expected, "active"), (seed, said, row.status, row.error)
        if row.status != "terminated":
            life.done("terminate")
        assert not any(life.executor.state().values()), (seed, said)


def _go_on(life: Life, steps: int) -> None:
    wanted = len(life.executor.requests) + steps
    life.settle(until=lambda: len(life.executor.requests) >= wanted or not life._due())


def _expected(said: list[str]) -> str:
    """Return the wish that decides: nothing comes after terminate, and what a suspended service refuses does not count."""
    state = "create"
    for one in said:
        if state != "terminate" and one in ("suspend", "unsuspend", "terminate"):
            state = one
    return state
