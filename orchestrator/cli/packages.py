"""tenantry package …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core import names
from orchestrator.core.errors import InvalidInput
from orchestrator.models.fleet import Package
from orchestrator.plan import limits
from orchestrator.store import fleet

cli = typer.Typer(help="Limits that a product gives its services.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = (
    "name",
    "web_disk_mb",
    "mail_disk_mb",
    "bandwidth_mb",
    "databases",
    "mailboxes",
    "php_version",
    "over_limit",
)
_LIMIT_HELP = "NAME=VALUE; may be repeated. over_limit=suspend-web suspends the website of who uses more."


def _row(package: Package) -> dict[str, Any]:
    return {"name": package.name, **package.limits}


@cli.command("add")
def add(
    name: str,
    limit: Annotated[list[str] | None, typer.Option("--limit", "-l", help=_LIMIT_HELP)] = None,
) -> None:
    """Add a package; limits that are not given take their defaults."""
    app()
    given: dict[str, str] = {}
    for pair in limit or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput("--limit", f"“{pair[:40]}” is not NAME=VALUE", "write for example --limit mailboxes=10")
        given[key.strip()] = value.strip()
    fleet.add_package(names.word(name, "name"), limits.parse(given))
    console.print(f"added package {name}")


@cli.command("list")
def list_packages(as_json: Json = False) -> None:
    """List the packages."""
    app()
    show([_row(package) for package in Package.select().order_by(Package.name)], _COLUMNS, as_json)


@cli.command("show")
def show_package(name: str, as_json: Json = False) -> None:
    """Show one package."""
    app()
    show_one(_row(fleet.package(name)), as_json)


@cli.command("remove")
def remove(name: str) -> None:
    """Remove a package that no service uses."""
    app()
    fleet.remove_package(name)
    console.print(f"removed package {name}")
