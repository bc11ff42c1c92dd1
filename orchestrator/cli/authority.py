"""tenantry authority …: our account at the certificate authority."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.certs import key_change
from orchestrator.certs.key_change import Wait
from orchestrator.cli.output import console
from orchestrator.cli.running import engine
from orchestrator.core.errors import InvalidInput

cli = typer.Typer(help="Our account at the certificate authority.", no_args_is_help=True)
Seconds = Annotated[int, typer.Option(min=0, max=3600, help="How long orders that are under way may take to end.")]


@cli.callback()
def group() -> None:
    """Our account at the certificate authority."""


@cli.command("replace-key")
def replace_key(wait_seconds: Seconds = 300) -> None:
    """Give the account another key: same account, same limits. No order begins meanwhile."""
    office = engine().office()
    if not office.is_open:
        raise InvalidInput("ssl.directory", "names no authority", "set it: `tenantry settings set ssl.directory URL`")
    row = key_change.replace(office.accounts(), Wait(seconds=wait_seconds))
    console.print(f"{row.account_url} has another key; servers answer with it before their next order", soft_wrap=True)
