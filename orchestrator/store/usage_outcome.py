"""How attempts at asking a server end: one notice for a server that fails, and nobody waits for it for ever.

Everything here runs inside the transaction that records the attempt.
"""

from __future__ import annotations

from orchestrator.core.states import TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task, TaskDependency
from orchestrator.plan.usage import alarms
from orchestrator.store import notices, waiting
from orchestrator.store.usage_requests import LAST_LOOK_OF, STATUS, USAGE

FAILING, WORKING = "sync_failing", "sync_working"


def is_sync(row: Task) -> bool:
    """True for a task that asks a server for its figures."""
    return row.action in (USAGE, STATUS)


def failed(row: Task, message: str) -> None:
    """Tell that a server's collections fail, unless that was told and they have not worked since."""
    if alarms.is_news_that_it_fails(notices.has_told(FAILING, _subject(row))):
        _tell(FAILING, row, message)


def succeeded(row: Task) -> None:
    """Tell that a server's collections work again, when they do so steadily."""
    has_told = notices.has_told(FAILING, _subject(row))
    if has_told and alarms.is_news_that_it_works(has_told, _newest(row)):
        _tell(WORKING, row, "")


def _newest(row: Task) -> list[bool]:
    same = (Task.action == row.action) & (Task.server_id == row.server_id)
    ended = Task.select(Task.status).where(same & (Task.status << [TaskStatus.DONE, TaskStatus.ERROR]))
    return [one.status == TaskStatus.DONE for one in ended.order_by(Task.finished_at.desc()).limit(alarms.LOOKED_AT)]


def _tell(event: str, row: Task, message: str) -> None:
    server = Server.get_or_none(Server.id == row.server_id)
    told = {"task": row.id, "server": server.name if server else row.server_id, "action": row.action, "error": message}
    notices.write(event, _subject(row), told)


def _subject(row: Task) -> str:
    return f"sync:{row.action}:{row.server_id}"


def let_go(row: Task) -> None:
    """Let removals go on that wait for a last look at what they remove: a look that fails must not keep a customer's data."""
    removals = Task.select(Task.id).where(Task.action == LAST_LOOK_OF)
    mine = (TaskDependency.needs_id == row.id) & (TaskDependency.task_id << removals)
    waited = [one.task_id for one in TaskDependency.select(TaskDependency.task_id).where(mine)]
    if waited:
        TaskDependency.delete().where(
            (TaskDependency.needs_id == row.id) & (TaskDependency.task_id << waited)
        ).execute()
        waiting.wake(waited)
