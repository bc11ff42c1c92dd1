"""tenantry settings …"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, show
from orchestrator.config.knobs import KNOBS, knob
from orchestrator.store import fleet

cli = typer.Typer(help="The operator's knobs.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command("list")
def list_settings(as_json: Json = False) -> None:
    """List all settings with their values and defaults."""
    app()
    values = fleet.knob_values()
    rows = [
        {"name": one.name, "value": values[one.name], "default": one.default, "help": one.help}
        for one in KNOBS.values()
    ]
    show(rows, ("name", "value", "default", "help"), as_json)


@cli.command("get")
def get(name: str) -> None:
    """Print one setting's value."""
    app()
    knob(name)
    value = fleet.knob_value(name)
    console.out(str(value).lower() if isinstance(value, bool) else value, highlight=False)


@cli.command("set")
def set_value(name: str, value: str) -> None:
    """Change a setting; it is checked first and takes effect at once."""
    app()
    stored = fleet.set_knob(name, value, actor())
    console.print(f"{name} = {stored}", markup=False)
