"""Pages of the queue: every filter walked to its end shows each of its tasks once, the newest first, and steps over nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.store import pages
from orchestrator.store.database import is_sqlite
from tests.support import fleet

ACTIONS = ("web.domain_present", "dns.zone_present", "service.create")
STATUSES = ("done", "error", "queued", "cancelled")
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


@pytest.fixture
def rows(db: str) -> list[Task]:
    """Return four hundred tasks of all kinds, the newest first."""
    fleet.build({"web1": ("192.0.2.1", "web"), "web2": ("192.0.2.2", "web")})
    servers = [row.id for row in Server.select().order_by(Server.id)]
    Task.insert_many(
        {
            "action": ACTIONS[number % 3],
            "service_id": number % 7,
            "server_id": servers[number % 2],
            "status": STATUSES[number // 5 % 4],
            "run_after": NOW,
            "created_at": NOW,
        }
        for number in range(400)
    ).execute()
    return list(Task.select().order_by(Task.id.desc()))


def walked(statuses: list[str], text: str, size: int) -> list[int]:
    """Return the numbers of all pages."""
    found: list[int] = []
    page = pages.tasks(statuses, pages.understood(text), None, size)
    while page.more is not None:
        assert len(page.rows) == size
        found += [row.id for row in page.rows]
        page = pages.tasks(statuses, pages.understood(text), page.more, size)
    return found + [row.id for row in page.rows]


@pytest.mark.parametrize("statuses", [[], ["done"], ["done", "error"], list(STATUSES)])
@pytest.mark.parametrize("text", ["", "web1", "dns.zone_present", "service 3", "nothing.like.it"])
def test_every_filter_is_walked_to_its_end(rows: list[Task], statuses: list[str], text: str) -> None:
    matches: dict[str, Callable[[Task], bool]] = {
        "": lambda row: bool(row.id),
        "web1": lambda row: row.server_id == Server.get(Server.name == "web1").id,
        "dns.zone_present": lambda row: row.action == text,
        "service 3": lambda row: row.service_id == 3,
        "nothing.like.it": lambda row: not row.id,
    }
    expected = [row.id for row in rows if matches[text](row) and (not statuses or row.status in statuses)]
    for size in (7, 50, 400):
        assert walked(statuses, text, size) == expected, size


@pytest.mark.parametrize("text", ["", "web1", "dns.zone_present"])
def test_a_page_far_down_is_entered_where_it_begins(
    rows: list[Task], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []
    original = database.obj.execute_sql

    def noting(sql: str, values: object = None, *rest: object) -> object:
        asked.append((sql, values))
        return original(sql, values, *rest)

    monkeypatch.setattr(database.obj, "execute_sql", noting)
    pages.tasks(["done"], pages.understood(text), rows[300].id)
    monkeypatch.undo()
    [(sql, values)] = [one for one in asked if "LIMIT" in one[0] and "DESC" in one[0]]
    explain = "EXPLAIN QUERY PLAN" if is_sqlite() else "EXPLAIN"
    [plan] = database.execute_sql(f"{explain} {sql}", values).fetchall()
    told = " ".join(str(column) for column in plan)
    index = {"": "tasks_status_id", "web1": "tasks_server_id", "dns.zone_present": "tasks_action_id"}[text]
    wanted = (f"SEARCH t1 USING COVERING INDEX {index}",) if is_sqlite() else (" range ", f" {index} ", "Using index")
    assert all(one in told for one in wanted) and "filesort" not in told, told
