"""Tasks in the process of their play, instead of a fork for each.

ansible forks for every task, that many hosts may have theirs at once. An attempt has one host, so nothing is done at once: what
a fork costs here is its copy of the memory and the wait until somebody asks for its result. A task gets copies of what it
may change, as it would in a fork.
"""

from __future__ import annotations

from typing import Any

from ansible._internal import _task
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.executor.task_result import _RawTaskResult
from ansible.plugins import strategy


def keep_tasks_here() -> None:
    """Let this process and its forks run the tasks of a play themselves. RuntimeError when ansible does it in another way."""
    if strategy.WorkerProcess is not WorkerProcess:
        raise RuntimeError("ansible's worker is not where it is looked for")
    strategy.WorkerProcess = _Here


class _Here(WorkerProcess):  # type: ignore[misc]  # ansible has no type information
    """What ansible takes for the process of a task."""

    def start(self) -> None:
        """Run the task and send its result to the play's own thread for results."""
        task, host = self._task.copy(exclude_parent=True), self._host
        task._parent = self._task._parent  # a task reads its blocks and roles and changes none of them
        with _task.TaskContext(task):
            outcome = self._outcome(task)
        result = _RawTaskResult(host=host, task=self._task, return_data=outcome, task_fields=task.dump_attrs())
        self._final_q.send_task_result(result)

    def _outcome(self, task: Any) -> Any:
        executor = TaskExecutor(
            self._host,
            task,
            dict(self._task_vars),
            self._play_context.copy(),
            self._loader,
            self._shared_loader_obj,
            self._final_q,
            self._variable_manager,
        )
        return executor.run()
