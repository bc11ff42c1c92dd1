"""tenantry notice …"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show
from orchestrator.core.errors import InvalidInput
from orchestrator.store import notices

cli = typer.Typer(help="Tickets, mail and webhooks on their way out.", no_args_is_help=True)
_COLUMNS = ("id", "event", "about", "channel", "target", "state", "attempts", "run_after", "error")


@cli.command("list")
def list_notices(
    state: Annotated[str, typer.Option(help=f"Only one of {', '.join(notices.STATES)}.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List deliveries, the newest first, each with what went wrong last."""
    app()
    if state and state not in notices.STATES:
        raise InvalidInput("--state", f"{state[:40]} is not known", f"give one of {', '.join(notices.STATES)}")
    rows = [{**row.__data__, "event": row.event, "about": row.subject_key} for row in notices.listing(state, limit)]
    show([{name: row[name] for name in _COLUMNS} for row in rows], _COLUMNS, as_json)


@cli.command("retry")
def retry(
    delivery: Annotated[int | None, typer.Argument(metavar="[ID]", help="Number of the delivery.")] = None,
    given_up: Annotated[bool, typer.Option("--given-up", help="All that were given up.")] = False,
) -> None:
    """Try a delivery again now; one that was given up has its whole time again."""
    app()
    if (delivery is None) != given_up:
        raise InvalidInput("ID", "has to be given, or --given-up", "see `tenantry notice list`")
    count = notices.retry(delivery)
    console.print(f"{count} notice{'' if count == 1 else 's'} will be tried now")
