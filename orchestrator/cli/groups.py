"""tenantry group …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core import names
from orchestrator.models.fleet import ServerGroup
from orchestrator.store import fleet

cli = typer.Typer(help="Where a product may be placed; a group lists its DNS servers too.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _row(group: ServerGroup) -> dict[str, Any]:
    members = fleet.members(group.id)
    by_role = {role: sorted(one.name for one in members if role in one.roles) for role in ("web", "mail", "dns")}
    return {"name": group.name, **by_role}


@cli.command("add")
def add(name: str) -> None:
    """Add a group."""
    app()
    fleet.add_group(names.word(name, "name"), {})
    console.print(f"added group {name}")


@cli.command("join")
def join(name: str, server: str) -> None:
    """Put a server into a group."""
    app()
    fleet.join_group(server, name)
    console.print(f"{server} is in {name}")


@cli.command("list")
def list_groups(as_json: Json = False) -> None:
    """List the groups and their servers."""
    app()
    show(
        [_row(group) for group in ServerGroup.select().order_by(ServerGroup.name)],
        ("name", "web", "mail", "dns"),
        as_json,
    )


@cli.command("show")
def show_group(name: str, as_json: Json = False) -> None:
    """Show one group."""
    app()
    show_one(_row(fleet.group(name)), as_json)


@cli.command("remove")
def remove(name: str) -> None:
    """Remove a group that no service uses."""
    app()
    fleet.remove_group(name)
    console.print(f"removed group {name}")
