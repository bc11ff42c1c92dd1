"""tenantry group …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core import names
from orchestrator.core.errors import InvalidInput
from orchestrator.models.fleet import ServerGroup
from orchestrator.plan import policies
from orchestrator.store import fleet

cli = typer.Typer(help="Where a product may be placed; a group lists its DNS servers too.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _row(group: ServerGroup) -> dict[str, Any]:
    members = fleet.members(group.id)
    by_role = {role: sorted(one.name for one in members if role in one.roles) for role in ("web", "mail", "dns")}
    return {"name": group.name, **by_role, **{name: _shown(name, group.settings.get(name)) for name in policies.NAMES}}


def _shown(name: str, value: Any) -> Any:
    """Return a setting as it is listed: of a page only that there is one."""
    return ("own page" if value else "built-in") if name == policies.PAGE else value or "default"


@cli.command("add")
def add(name: str) -> None:
    """Add a group."""
    app()
    fleet.add_group(names.word(name, "name"), {})
    console.print(f"added group {name}")


@cli.command("set")
def set_policy(
    name: str,
    setting: Annotated[str, typer.Argument(help=f"One of {', '.join(policies.NAMES)}.")],
    value: Annotated[str, typer.Argument(help="Empty: the default. A page is read from the file of this name.")] = "",
) -> None:
    """Say what the group does with suspended services."""
    app()
    text = _read(value) if setting == policies.PAGE and value else value
    fleet.set_group(name, setting, policies.checked(setting, text))
    console.print(f"group {name}: {setting} is set")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(policies.PAGE, f"{path[:80]} cannot be read ({error})", "name a text file") from None


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
