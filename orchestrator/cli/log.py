"""tenantry log"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import cell, console, print_json
from orchestrator.store import timeline

_POLL_SECONDS = 1.0


def show_log(
    service: Annotated[int | None, typer.Option(help="Only this service.")] = None,
    operation: Annotated[int | None, typer.Option(help="Only this operation.")] = None,
    limit: Annotated[int, typer.Option(help="How many lines at most.", min=1, max=10_000)] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one object a line.")] = False,
) -> None:
    """Show the operation log, oldest first."""
    app()
    last = 0
    while True:
        entries = timeline.log_entries(service, operation, limit, last)
        if as_json and follow:
            for entry in entries:
                print_json(entry, indent=None)
        elif as_json:
            print_json(entries)
        else:
            for entry in entries:
                _line(entry)
        last = max([last, *(int(entry["id"]) for entry in entries)])
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def _line(entry: dict[str, object]) -> None:
    text = cell(entry["at"])
    text.append(
        f"  {entry['kind']:<10} {entry['action']:<24} {entry['server'] or '-':<8} {entry['outcome'] or '-':<12}"
    )
    text.append(f" {entry['message']}")
    console.print(text, soft_wrap=True)
