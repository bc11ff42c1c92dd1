"""tenantry service …"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from orchestrator.cli import asking, progress
from orchestrator.cli.edge import app
from orchestrator.cli.lazy import lazily
from orchestrator.cli.output import console, print_json, show, show_one
from orchestrator.config import keys
from orchestrator.core import links
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import ServiceStatus
from orchestrator.models.service import Service
from orchestrator.store import fleet, services, snapshots, timeline

_LIFE = ("suspend", "unsuspend", "terminate", "redeploy", "repair", "sync-usage", "factory-reset")
_CHANGES = ("change-package", "change-password", "change-domain")
_COMMANDS = {name: f"orchestrator.cli.life:{name.replace('-', '_')}" for name in (*_LIFE, *_CHANGES)}
_COMMANDS["plan"] = "orchestrator.cli.plans:show_plan"
cli = typer.Typer(cls=lazily(_COMMANDS), help="Customers' accounts.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Watch until it is done.")]
ServiceId = Annotated[int, typer.Argument(metavar="ID", help="The billing system's id.")]


def _row(row: Service) -> dict[str, Any]:
    view = snapshots.of(row.id)
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
    package: Annotated[str, typer.Option(help="The package.")],
    group: Annotated[str, typer.Option(help="The server group.")],
    domain: Annotated[str, typer.Option(help="The domain; in mode vanity it follows from the name.")] = "",
    mode: Annotated[str, typer.Option(help="split, unified or vanity.")] = "split",
    roles: Annotated[str, typer.Option(help="Some of web,mail,dns; default: what the package allows.")] = "",
    username: Annotated[str, typer.Option(help="UNIX user; default: w and the id.")] = "",
    contact_email: Annotated[str, typer.Option(help="Where notices go.")] = "",
    vanity_name: Annotated[str, typer.Option(help="Mode vanity: the name below the parent domain.")] = "",
    parent_domain: Annotated[str, typer.Option(help="Mode vanity: the provider's domain.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Order a service."""
    app()
    given = {"domain": domain, "vanity_name": vanity_name, "parent_domain": parent_domain, "roles": roles}
    given |= {"username": username, "contact_email": contact_email}
    params: dict[str, Any] = {"package": package, "group": group, "mode": mode}
    params |= {key: value for key, value in given.items() if value}
    if password_stdin:
        params["password_sealed"] = asking.sealed_password()
    fleet.package(package)  # a slip of the pen is said at once, not by a task in error
    fleet.group(group)
    asking.ask("service.create", service_id, params, wait)


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
    reasons = {"suspend_reason": row.suspend_reason or None, "web_held_for": row.web_held_for or None}
    more = {"username": row.username, "uid": row.uid, "roles": row.roles.split(","), "limits": row.limits}
    show_one({**_row(row), **reasons, **more, "generation": row.generation, "operation_id": row.operation_id}, as_json)


@cli.command("link")
def link(
    service_id: ServiceId,
    url: Annotated[str, typer.Option(help="Address that `tenantry serve` is reached at.")] = "http://127.0.0.1:8731",
) -> None:
    """Print a link that opens the customer's page of a service for a while (`customer.link_minutes`)."""
    found = app()
    until = utc_now() + timedelta(minutes=int(fleet.knob_value("customer.link_minutes")))
    word = links.sign(keys.link_key(found.settings.home), service_id, until)
    console.out(f"{url.rstrip('/')}/s/{word}/", highlight=False)


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
