"""tenantry orphan …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show
from orchestrator.store import orphans

cli = typer.Typer(help="What servers still hold of services closed out by force.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ("id", "service_id", "server", "action", "domain", "task_id", "created_at", "removed_at")


def _row(entry: Any) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in _COLUMNS if name != "server"}
    return {**values, "server": entry.server_name}


@cli.command("list")
def list_orphans(
    every: Annotated[bool, typer.Option("--all", help="Those that have been removed too.")] = False,
    as_json: Json = False,
) -> None:
    """List what still has to be removed, oldest first."""
    app()
    show([_row(entry) for entry in orphans.listing(only_open=not every)], _COLUMNS, as_json)


@cli.command("forget")
def forget(entry: Annotated[int, typer.Argument(metavar="ID", help="Number of the entry.")]) -> None:
    """Give an entry up, for a server that never comes back."""
    app()
    orphans.forget(entry)
    console.print(f"forgot {entry}")
