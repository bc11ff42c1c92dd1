# SPDX-License-Identifier: Apache-2.0
"""Report what a play did, from the controller.

The orchestrator reads a step's result from this one task's event. An action plugin runs on the controller, so no module on a
node can forge it.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Merge the results of a play's steps into {changed, facts, usage, warnings}."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the merged report; ``results`` is the list of what the play's tasks registered."""
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        results = [result for result in self._task.args.get("results", []) if isinstance(result, dict)]
        report: dict[str, Any] = {"changed": False, "facts": {}, "usage": {}, "warnings": []}
        for result in results:
            report["changed"] = report["changed"] or bool(result.get("changed", False))
            report["facts"].update(result.get("facts") or {})
            report["usage"].update(result.get("usage") or {})
            report["warnings"].extend(result.get("step_warnings") or [])
        outcome.update(changed=False, report=report)
        return outcome
