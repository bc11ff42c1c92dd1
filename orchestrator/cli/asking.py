"""Asking for something: checked at once, put into the queue as a billing system would, watched when wanted."""

from __future__ import annotations

from typing import Any

import typer

from orchestrator.cli import progress
from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console
from orchestrator.config import keys
from orchestrator.core.sealed import seal
from orchestrator.store import tasks


def ask(action: str, service_id: int, params: dict[str, Any], wait: bool) -> None:
    """Put an intent into the queue; what can be refused before is refused here."""
    app().check(action, service_id, params, actor())
    task = tasks.enqueue(action, service_id=service_id, params=params, requested_by=actor())
    if not wait:
        console.print(f"task {task}: {action} {service_id}")
        return
    raise typer.Exit(progress.watch_task(task))


def sealed_password() -> str:
    """Read a password from standard input and return it sealed."""
    secret = typer.get_text_stream("stdin").readline().rstrip("\n")
    return seal(keys.load_private_key(app().settings.home).public_key(), secret)
