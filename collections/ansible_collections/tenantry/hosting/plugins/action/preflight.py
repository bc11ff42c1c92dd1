# SPDX-License-Identifier: Apache-2.0
"""Check, on the controller, that a job is for this playbook and is read as plain data.

One action instead of a condition for each rule: every task of a play costs a process on the controller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase

CANARY_CHARACTERS = 9  # of "{{ 1+1 }}", as the orchestrator writes it into every job: it has one when it was a template


class ActionModule(ActionBase):
    """Refuse a job that is not what the playbook is for."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return success, or a failure that says what is wrong; ``job``, ``action`` and ``accepts`` are the arguments."""
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        job, action, accepts = (self._task.args.get(name) for name in ("job", "action", "accepts"))
        if message := refusal(job, str(action), list(accepts or ())):
            outcome.update(failed=True, msg=message)
        return outcome


def refusal(job: Any, action: str, accepts: Sequence[str]) -> str:
    """Return why the playbook for ``action``, which takes these parameters, does not run the job; "" when it does."""
    if not isinstance(job, Mapping) or not isinstance(job.get("params"), Mapping):
        return "The job file holds no object with params"
    if job.get("action") != action:
        return f"The job file is for {_shown(job.get('action') or 'no action')}, but this playbook does {action}"
    if "canary" in job and len(str(job["canary"])) != CANARY_CHARACTERS:
        return "The job file was not read as plain data"
    if unknown := [str(name) for name in job["params"] if name not in accepts]:
        return f"params: {_shown(', '.join(unknown))} is not known; {action} takes {', '.join(accepts)}"
    return ""


def _shown(text: Any) -> str:
    text = str(text)
    return text if len(text) <= 120 else text[:117] + "..."
