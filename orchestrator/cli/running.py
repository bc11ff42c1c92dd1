"""tenantry run and tick: the queue, by a daemon or by cron."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator import logs
from orchestrator.cli.edge import require_schema
from orchestrator.cli.output import console
from orchestrator.config.settings import from_environment
from orchestrator.engine import Engine
from orchestrator.scheduler.loop import tick as tick_once


def engine() -> Engine:
    """Return the application with what runs tasks; Unavailable tells to run init when the schema is missing or old."""
    found = Engine(from_environment())
    require_schema()
    return found


def run(log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False) -> None:
    """Run the queue until SIGTERM, then finish what has begun."""
    logs.configure(log_json or not sys.stderr.isatty())
    clean = engine().loop().run()
    raise typer.Exit(0 if clean else 1)


def tick() -> None:
    """One pass for cron: claim a batch, finish it, exit."""
    logs.configure(not sys.stderr.isatty())
    found = engine()
    worker = found.worker()
    count = tick_once(worker, found.jobs(worker))
    console.print(f"{count} tasks")
