"""tenantry service …"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from orchestrator.cli import progress
from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, print_json, show, show_one
from orchestrator.config import keys
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.sealed import seal
from orchestrator.core.states import ServiceStatus
from orchestrator.dispatch import rehearsal
from orchestrator.models.service import Service
from orchestrator.store import fleet, services, tasks, timeline

cli = typer.Typer(help="Customers' accounts.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Watch until it is done.")]
ServiceId = Annotated[int, typer.Argument(metavar="ID", help="The billing system's id.")]


def _row(row: Service) -> dict[str, Any]:
    view = services.snapshot(row.id)
    return {
        "id": row.id,
        "domain": row.domain,
        "status": row.status,
        "mode": row.mode,
        "web": view.web.name if view.web else None,
        "mail": view.mail.name if view.mail else None,
        "dns": [server.name for server in view.dns],
        "error": row.error,
        "updated_at": row.updated_at,
    }


@cli.command("create")
def create(
    service_id: Annotated[int, typer.Option("--id", help="The billing system's id of the service.")],
    domain: Annotated[str, typer.Option(help="The domain.")],
    package: Annotated[str, typer.Option(help="The package.")],
    group: Annotated[str, typer.Option(help="The server group.")],
    mode: Annotated[str, typer.Option(help="split, unified or vanity.")] = "split",
    roles: Annotated[str, typer.Option(help="Some of web,mail,dns; default: what the package allows.")] = "",
    username: Annotated[str, typer.Option(help="UNIX user; default: w and the id.")] = "",
    contact_email: Annotated[str, typer.Option(help="Where notices go.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Order a service."""
    found = app()
    optional = {"roles": roles, "username": username, "contact_email": contact_email}
    params: dict[str, Any] = {"domain": domain, "package": package, "group": group, "mode": mode}
    params |= {key: value for key, value in optional.items() if value}
    if password_stdin:
        secret = typer.get_text_stream("stdin").readline().rstrip("\n")
        params["password_sealed"] = seal(keys.load_private_key(found.settings.home).public_key(), secret)
    fleet.package(package)  # a slip of the pen is said at once, not by a task in error
    fleet.group(group)
    _ask("service.create", service_id, params, wait)


@cli.command("redeploy")
def redeploy(service_id: ServiceId, wait: Wait = False) -> None:
    """Run the whole chain of a service again; on a healthy one nothing changes."""
    app()
    services.get(service_id)
    _ask("service.redeploy", service_id, {}, wait)


def _ask(action: str, service_id: int, params: dict[str, Any], wait: bool) -> None:
    app().check(action, service_id, params, actor())
    task = tasks.enqueue(action, service_id=service_id, params=params, requested_by=actor())
    if not wait:
        console.print(f"task {task}: {action} {service_id}")
        return
    raise typer.Exit(progress.watch_task(task))


@cli.command("plan")
def show_plan(
    service_id: ServiceId,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="What would be asked for: redeploy.")] = "redeploy",
    steps_only: Annotated[bool, typer.Option("--steps-only", help="Do not ask the servers what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Show what an action would run and what that would change; nothing is changed."""
    found = app()
    if action.removeprefix("service.") != "redeploy":
        raise InvalidInput("ACTION", f"{action[:40]} has no plan", "give redeploy")
    if steps_only:
        planned = [rehearsal_row(step) for step in rehearsal.steps(service_id).steps]
        show(planned, ("step", "server", "needs"), as_json)
        return
    rows = []
    for step, result in rehearsal.rehearse(service_id, found.executor()):
        diffs = [event.diff for event in result.events if event.diff]
        rows.append({**rehearsal_row(step), "would": result.outcome, "message": result.message, "diff": diffs})
        if not as_json:
            _print_rehearsed(rows[-1])
    if as_json:
        print_json(rows)
    if not all(row["would"].is_success for row in rows):
        raise typer.Exit(1)


def rehearsal_row(step: StepSpec) -> dict[str, Any]:
    """Return a planned step as it is listed."""
    return {"step": step.key, "server": step.server, "needs": list(step.needs)}


def _print_rehearsed(row: dict[str, Any]) -> None:
    words = {"ok": "nothing to do", "changed": "would change"}
    text = f"{row['step']}: {words.get(row['would'], row['would'])}"
    console.print(Text(f"{text}: {row['message']}" if row["message"] else text, style="bold"), soft_wrap=True)
    for diff in row["diff"]:
        console.print(Text(diff.rstrip()), soft_wrap=True)


@cli.command("list")
def list_services(
    status: Annotated[str, typer.Option(help="Only this status.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """List services, the newest first."""
    app()
    if status and status not in tuple(ServiceStatus):
        raise InvalidInput("--status", f"{status} is not known", f"give one of {', '.join(ServiceStatus)}")
    rows = [_row(row) for row in services.listing(status, limit)]
    show(rows, ("id", "domain", "status", "mode", "web", "mail", "dns", "error"), as_json)


@cli.command("show")
def show_service(service_id: ServiceId, as_json: Json = False) -> None:
    """Show one service."""
    app()
    row = services.get(service_id)
    more = {"username": row.username, "uid": row.uid, "roles": row.roles.split(","), "limits": row.limits}
    show_one({**_row(row), **more, "generation": row.generation, "operation_id": row.operation_id}, as_json)


@cli.command("timeline")
def show_timeline(
    service_id: ServiceId,
    follow: Annotated[bool, typer.Option("--follow", help="Watch until it is done.")] = False,
    as_json: Json = False,
) -> None:
    """Show the steps of the newest operation of a service."""
    app()
    asked = timeline.open_intent(service_id) if follow and not as_json else None
    if asked is not None:  # a row that has only just been inserted: there is no operation of it yet
        raise typer.Exit(progress.watch_task(asked))
    services.get(service_id)
    operation = timeline.operation_of(service_id)
    if operation is None:
        raise InvalidInput("service", f"{service_id} has no operation yet", "is `tenantry run` running?")
    if as_json:
        print_json(timeline.steps(operation.id))
        return
    if follow:
        raise typer.Exit(progress.watch_operation(operation.id))
    progress.print_once(operation.id)
