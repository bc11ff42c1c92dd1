"""tenantry service plan: what an action would run and what that would change; nothing is changed."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import typer
from rich.text import Text

from orchestrator.app import CHANGES
from orchestrator.cli.edge import actor
from orchestrator.cli.output import console, print_json, show
from orchestrator.cli.running import engine
from orchestrator.cli.services import Json, ServiceId
from orchestrator.core.errors import InvalidInput
from orchestrator.dispatch import rehearsal
from orchestrator.dispatch.rehearsal import PlannedStep
from orchestrator.store import services, tasks


def show_plan(
    service_id: ServiceId,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="What would be asked for: redeploy, suspend, web.php_present …")
    ] = "redeploy",
    params: Annotated[str, typer.Option(help="Its parameters as a JSON object.")] = "{}",
    steps_only: Annotated[bool, typer.Option("--steps-only", help="Do not ask the servers what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Show what an action would run and what that would change; nothing is changed."""
    found, name = engine(), _full_name(action)
    services.get(service_id)
    planned = found.rehearse(name, service_id, tasks.parse_params(params), actor())
    if steps_only:
        show([_row(step) for step in planned.steps], ("step", "server", "needs"), as_json)
        return
    rows = []
    with contextlib.closing(found.executor()) as executor:
        for one in rehearsal.findings(planned, executor):
            rows.append({**_row(one.step), "would": one.would, "message": one.message, "diff": list(one.diffs)})
            if not as_json:
                _print(rows[-1])
    if as_json:
        print_json(rows)
    elif not planned.steps:
        console.print(f"nothing to run: {planned.answer}", soft_wrap=True)
    if not all(row["would"].is_success for row in rows):
        raise typer.Exit(1)


def _full_name(action: str) -> str:
    """Return the action's name; of the service's own the first word and the underscore may be left out."""
    name = action if "." in action else f"service.{action.replace('-', '_')}"
    if name not in CHANGES:
        known = ", ".join(sorted(one.removeprefix("service.") for one in CHANGES))
        raise InvalidInput("ACTION", f"{action[:40]} has no plan", f"give one of {known}")
    return name


def _row(step: PlannedStep) -> dict[str, Any]:
    return {"step": step.step, "server": step.server, "needs": list(step.needs)}


def _print(row: dict[str, Any]) -> None:
    words = {"ok": "nothing to do", "changed": "would change"}
    text = f"{row['step']}: {words.get(row['would'], row['would'])}"
    console.print(Text(f"{text}: {row['message']}" if row["message"] else text, style="bold"), soft_wrap=True)
    for diff in row["diff"]:
        console.print(Text(diff.rstrip()), soft_wrap=True)
