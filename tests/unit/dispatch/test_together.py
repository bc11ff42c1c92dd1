"""Which claimed tasks share a run."""

from __future__ import annotations

from orchestrator.dispatch.together import groups
from orchestrator.plan import catalog
from orchestrator.store.claim import Claim


def claim(number: int, action: str = "web.user_present", server: int = 1) -> Claim:
    return Claim(task_id=number, token=number, action=action, server_id=server)


def numbers(taken: list[Claim], most: int = 4) -> list[list[int]]:
    return [[one.task_id for one in group] for group in groups(taken, most)]


def test_steps_of_one_action_on_one_server_do() -> None:
    taken = [claim(1), claim(2, server=2), claim(3, "web.php_present"), claim(4), claim(5, server=2)]
    assert numbers(taken) == [[1, 4], [2, 5], [3]]


def test_no_more_than_are_allowed() -> None:
    taken = [claim(number) for number in range(1, 6)]
    assert numbers(taken, 2) == [[1, 2], [3, 4], [5]]
    assert numbers(taken, 1) == [[1], [2], [3], [4], [5]]


def test_what_is_done_on_no_server_does_not() -> None:
    assert numbers([claim(1, "service.create", 0), claim(2, "service.create", 0)]) == [[1], [2]]
    assert numbers([claim(1, "service.create"), claim(2, "service.create")]) == [[1], [2]]  # one that names a server


def test_what_may_take_long_keeps_nobody_waiting() -> None:
    long = [one.name for one in catalog.CATALOG.values() if one.kind == "step" and one.timeout_seconds > 120]
    assert "server.prepare" in long
    for action in (*long, "no.such_action"):
        assert numbers([claim(1, action), claim(2, action)]) == [[1], [2]]
