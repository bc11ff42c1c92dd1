"""tenantry token …"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, show
from orchestrator.core.clock import utc_now
from orchestrator.store import access

cli = typer.Typer(help="Who may use the HTTP API.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")]
_COLUMNS = ("name", "scopes", "created_by", "created_at", "expires_at")


@cli.command("add")
def add(
    name: Name,
    scope: Annotated[str, typer.Option(help="Some of read, write, monitor, link, separated by commas.")] = "read",
    days: Annotated[int, typer.Option(help="Days until it expires.", min=1, max=730)] = 90,
) -> None:
    """Make a token and print it; it is shown this once and stored as a digest only."""
    app()
    scopes = [part.strip() for part in scope.split(",")]
    console.out(access.add(name, scopes, days, actor(), utc_now()), highlight=False)


@cli.command("list")
def list_tokens(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the tokens."""
    app()
    show([{name: getattr(row, name) for name in _COLUMNS} for row in access.listing()], _COLUMNS, as_json)


@cli.command("revoke")
def revoke(name: Name) -> None:
    """End a token now."""
    app()
    access.revoke(name)
    console.print(f"revoked {name}")
