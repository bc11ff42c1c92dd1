"""service.plan: what another action would run, and what that would change on the servers. Nothing of the service changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent, Prepare


def plan(changes: Mapping[str, Prepare]) -> Prepare:
    """Return the intent over the actions that have a plan. It checks what is asked for and does nothing.

    Whoever carries it out takes ``wished``, in a transaction that is rolled back.
    """

    def prepare(intent: Intent, context: Context) -> Apply:
        wished(intent, context, changes)

        def apply() -> dict[str, Any]:
            begin.locked(intent)
            return {"action": intent.params["action"]}

        return apply

    return prepare


def wished(intent: Intent, context: Context, changes: Mapping[str, Prepare]) -> Apply:
    """Return what would carry out the action that a plan is asked for; InvalidInput says what is wrong with the wish."""
    read.only(intent.params, ("action", "params"))
    begin.service_id(intent)
    action, params = read.required(intent.params, "action"), intent.params.get("params", {})
    if not isinstance(action, str) or action not in changes:
        raise InvalidInput("action", f"{shown(action)} has no plan", f"give one of {', '.join(sorted(changes))}"[:300])
    if not isinstance(params, dict):
        raise InvalidInput("params", "is no object", f"give the parameters of {action}")
    carry_out = changes[action](replace(intent, action=action, params=params), context)

    def apply() -> dict[str, Any]:
        begin.locked(intent)
        return carry_out()

    return apply
