"""web.php_present and web.proxy_present: how the website answers.

The new setting travels with the step and becomes the service's when the step has succeeded: one that cannot work (a version
that is not installed, a port where nobody or somebody else listens) leaves the service with what it had, and no later deploy
tries it again.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core import values
from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.plan import limits
from orchestrator.plan.steps import of

_TEMPLATES = ("static", "php", "reverse")


def php_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the switch to another PHP version."""
    del context
    read.only(intent.params, ("version",))
    version = limits.php_version(read.required(intent.params, "version"), "version")
    return _try_out(intent, {"version": version})


def proxy_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the switch to another template."""
    del context
    params = intent.params
    read.only(params, ("template", "upstream"))
    template = read.required(params, "template")
    if template not in _TEMPLATES:
        raise InvalidInput("template", f"{shown(template)} is not known", f"give one of {', '.join(_TEMPLATES)}")
    given = read.optional(params, "upstream")
    if template == "reverse" and given is None:
        raise InvalidInput("upstream", "is missing", "say where the program listens, such as http://127.0.0.1:3000")
    if template != "reverse" and given is not None:
        raise InvalidInput("upstream", f"the template {template} has none", "leave it out or use reverse")
    return _try_out(intent, {"template": template, "upstream": "" if given is None else values.upstream(given)})


def _try_out(intent: Intent, setting: dict[str, Any]) -> Apply:
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        return begin.change(
            row, intent, lambda view: [of(intent.action, view.web.name, params=setting)] if view.web else [], []
        )

    return apply
