"""tenantry parent-domain …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core import names
from orchestrator.lifecycle import parents as said
from orchestrator.models.fleet import ParentDomain, Server, ServerGroup
from orchestrator.store import parents

cli = typer.Typer(help="Provider's domains under which vanity services have a name each.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _row(parent: ParentDomain) -> dict[str, Any]:
    server = Server.get_or_none(Server.id == parent.mail_server_id) if parent.mail_server_id else None
    group = ServerGroup.get_or_none(ServerGroup.id == parent.group_id) if parent.group_id else None
    return {
        "name": parent.name,
        "mail_server": server.name if server else None,
        "mail_user": parent.mail_user or None,
        "mail_domain": parent.mail_domain or None,
        "dns": parent.dns_mode,
        "zone_owner": parent.zone_owner or None,
        "group": group.name if group else None,
        "web_servers": parent.web_servers,
        "reserved": parent.reserved,
        "services": len(parents.users(parent)),
    }


@cli.command("add")
def add(
    name: str,
    dns: Annotated[str, typer.Option(help="push: address records go into the zone; external: you care for them.")],
    mail_server: Annotated[str, typer.Option(help="Where the shared mail domain is; left out: no mailboxes.")] = "",
    mail_user: Annotated[str, typer.Option(help="Label of the mail domain's owner there, s900 for service 900.")] = "",
    mail_domain: Annotated[str, typer.Option(help="The shared mail domain; default: the name.")] = "",
    zone_owner: Annotated[str, typer.Option(help="Label of the zone's owner on the DNS servers; push only.")] = "",
    group: Annotated[str, typer.Option(help="The group whose DNS servers have the zone; push only.")] = "",
    zone_serial: Annotated[int, typer.Option(help="The zone's present serial when it was made by hand.")] = 0,
    web_server: Annotated[
        list[str] | None,
        typer.Option(help="A web server that may be used; may be repeated; default: all of the order's group."),
    ] = None,
    reserved: Annotated[str, typer.Option(help="Names that nobody gets, beside the built-in list: a,b")] = "",
) -> None:
    """Add a parent domain. Its mail domain and its zone are there already and belong to the provider."""
    app()
    given = said.Said(
        name=name,
        dns=dns,
        mail_server=mail_server,
        mail_user=mail_user,
        mail_domain=mail_domain,
        zone_owner=zone_owner,
        group=group,
        zone_serial=zone_serial,
        web_servers=web_server or (),
        reserved=reserved,
    )
    console.print(f"added parent domain {said.add(given)}")


@cli.command("list")
def list_parents(as_json: Json = False) -> None:
    """List the parent domains."""
    app()
    columns = ("name", "mail_server", "mail_domain", "dns", "group", "web_servers", "services")
    show([_row(parent) for parent in parents.listing()], columns, as_json)


@cli.command("show")
def show_parent(name: str, as_json: Json = False) -> None:
    """Show one parent domain and the names that are taken under it."""
    app()
    parent = parents.get(names.domain(name, "name"))
    taken = {row.vanity_name: row.id for row in parents.users(parent)}
    show_one({**_row(parent), "zone_serial": parent.zone_serial, "taken": taken}, as_json)


@cli.command("remove")
def remove(name: str) -> None:
    """Remove a parent domain under which there is no service; its mail domain and zone stay as they are."""
    app()
    said.remove(names.domain(name, "name"))
    console.print(f"removed parent domain {name}")
