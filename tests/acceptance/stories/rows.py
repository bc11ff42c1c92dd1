"""What the stories read from the database directly, where starting a command would take too long."""

from __future__ import annotations

import json
from typing import Any

from demo.installation import Installation
from tests.acceptance.stories import world


def query(site: Installation, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    return site.read(statement, *values)


def status(site: Installation, service: int) -> str:
    """Return the state of a service, "" when there is none."""
    found = query(site, "SELECT status FROM services WHERE id = ?", service)
    return str(found[0][0]) if found else ""


def finished_steps(site: Installation, service: int) -> int:
    """Count the steps of a service that are done."""
    found = query(
        site, "SELECT COUNT(*) FROM tasks WHERE service_id = ? AND status = 'done' AND operation_id > 0", service
    )
    return int(found[0][0])


def ask(site: Installation, service: int, action: str, params: dict[str, Any] | None = None) -> int:
    """Insert an intent as a billing system does and return its task."""
    world.insert(site, service, params or {}, action)
    found = query(
        site, "SELECT MAX(id) FROM tasks WHERE service_id = ? AND action = ? AND operation_id IS NULL", service, action
    )
    return int(found[0][0])


def done(
    site: Installation, service: int, action: str, params: dict[str, Any] | None = None, seconds: float = 180
) -> dict[str, Any]:
    """Ask and wait until the intent and its operation are done; returns the intent's result."""
    task = ask(site, service, action, params)
    world.eventually(lambda: _state(site, task) not in ("queued", "running"), seconds, f"{action} is taken")
    [(state, result, error)] = query(site, "SELECT status, result, error FROM tasks WHERE id = ?", task)
    assert state == "done", f"{action}: {error}"
    found: dict[str, Any] = json.loads(result)
    if "operation_id" in found:
        number = found["operation_id"]
        world.eventually(lambda: _operation(site, number)[0] != "running", seconds, f"{action} is carried out")
        assert _operation(site, number)[0] == "done", (action, _operation(site, number), open_steps(site, number))
    return found


def _state(site: Installation, task: int) -> str:
    return str(query(site, "SELECT status FROM tasks WHERE id = ?", task)[0][0])


def _operation(site: Installation, number: int) -> tuple[str, str]:
    [(state, error)] = query(site, "SELECT status, error FROM operations WHERE id = ?", number)
    return str(state), str(error)


def open_steps(site: Installation, operation: int) -> list[tuple[Any, ...]]:
    """Return the steps of an operation that are not done, with what is wrong."""
    return query(site, "SELECT step, status, error FROM tasks WHERE operation_id = ? AND status <> 'done'", operation)


def refused(site: Installation, service: int, action: str, params: dict[str, Any] | None = None) -> str:
    """Ask for something that is refused and return why."""
    task = ask(site, service, action, params)
    world.eventually(lambda: _state(site, task) not in ("queued", "running"), 60, f"{action} is taken")
    [(state, error)] = query(site, "SELECT status, error FROM tasks WHERE id = ?", task)
    assert state == "error", (action, state)
    return str(error)


def failed(site: Installation, service: int, action: str, params: dict[str, Any] | None = None) -> str:
    """Ask for something that a node refuses and return why."""
    task = ask(site, service, action, params)
    world.eventually(lambda: _state(site, task) == "done", 60, f"{action} is taken")
    number = json.loads(query(site, "SELECT result FROM tasks WHERE id = ?", task)[0][0])["operation_id"]
    world.eventually(lambda: _operation(site, number)[0] != "running", 180, f"{action} is carried out")
    state, error = _operation(site, number)
    assert state == "error", (action, state)
    return error
