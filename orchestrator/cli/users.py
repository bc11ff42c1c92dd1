"""tenantry user …"""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, show
from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.core.operators import Rank
from orchestrator.store import operators

cli = typer.Typer(help="Who may use the console.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
_COLUMNS = ("name", "role", "second_factor", "active", "created_by", "created_at", "signed_in_at", "locked_until")


def _password(from_stdin: bool) -> str:
    """Return a password that was given, or a new one, which is printed this once."""
    if from_stdin:
        return typer.get_text_stream("stdin").readline().rstrip("\n")
    made = secrets.token_urlsafe(15)
    console.out(made, highlight=False)
    return made


@cli.command("add")
def add(
    name: Name,
    role: Annotated[Rank, typer.Option(help="What it may do.")] = Rank.READ_ONLY,
    password_stdin: FromStdin = False,
) -> None:
    """Make a user; without --password-stdin a password is made and printed, this once."""
    app()
    operators.add(name, role, _password(password_stdin), actor(), utc_now())


@cli.command("list")
def list_users(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the users."""
    app()
    rows = [
        {**{name: getattr(row, name, None) for name in _COLUMNS}, "second_factor": bool(row.totp)}
        for row in operators.listing()
    ]
    show(rows, _COLUMNS, as_json)


@cli.command("passwd")
def passwd(name: Name, password_stdin: FromStdin = False) -> None:
    """Give a user another password and sign it out everywhere."""
    app()
    operators.get(name)
    operators.set_password(name, _password(password_stdin))


@cli.command("role")
def role(name: Name, rank: Annotated[Rank, typer.Argument(metavar="ROLE", help="What it may do.")]) -> None:
    """Give a user another role and sign it out everywhere."""
    app()
    operators.set_role(name, rank)
    console.print(f"{name} is {rank}")


@cli.command("totp")
def totp(name: Name, off: Annotated[bool, typer.Option("--off", help="Take the second factor away.")] = False) -> None:
    """Give a user a second factor; the address for the authenticator app is printed this once."""
    found = app()
    if off:
        operators.drop_totp(name)
        console.print(f"{name} signs in without a second factor")
        return
    console.out(operators.new_totp(keys.storage_key(found.settings.home), name), highlight=False)


@cli.command("disable")
def disable(name: Name) -> None:
    """Keep a user out and sign it out everywhere."""
    app()
    operators.set_active(name, active=False)
    console.print(f"{name} is disabled")


@cli.command("enable")
def enable(name: Name) -> None:
    """Let a user in again."""
    app()
    operators.set_active(name, active=True)
    console.print(f"{name} is enabled")


@cli.command("remove")
def remove(name: Name) -> None:
    """Delete a user; what it did stays in the audit."""
    app()
    operators.remove(name)
    console.print(f"removed {name}")
