"""The command `tenantry`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import click
import typer
from rich.text import Text

from orchestrator import __version__, logs
from orchestrator.cli import groups, log, packages, servers, services, settings, tasks
from orchestrator.cli.edge import app as application
from orchestrator.cli.edge import bare_app
from orchestrator.cli.output import console, problems
from orchestrator.config import keys
from orchestrator.core.errors import TenantryError
from orchestrator.scheduler import jobs
from orchestrator.scheduler.loop import tick as tick_once
from orchestrator.store import schema

cli = typer.Typer(
    name="tenantry",
    help="Turns rows in a billing database into hosting accounts on real machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_cli = typer.Typer(help="The key to which secrets are sealed.", no_args_is_help=True)
cli.add_typer(servers.cli, name="server")
cli.add_typer(groups.cli, name="group")
cli.add_typer(packages.cli, name="package")
cli.add_typer(services.cli, name="service")
cli.add_typer(tasks.cli, name="task")
cli.add_typer(settings.cli, name="settings")
cli.add_typer(keys_cli, name="keys")
cli.command("log")(log.show_log)


@cli.callback()
def root() -> None:
    """Turns rows in a billing database into hosting accounts on real machines."""
    os.umask(0o077)


@cli.command()
def init() -> None:
    """Create or upgrade the database and the sealing key; harmless when both are there."""
    found = bare_app()
    keys.ensure_private_key(found.settings.home)
    applied = schema.upgrade()
    done = ", ".join(f"{number:04d}" for number in applied)
    console.print(f"schema {schema.version():04d}" + (f" (applied {done})" if applied else ", nothing to do"))


@cli.command()
def version() -> None:
    """Print the version."""
    console.print(__version__)


@keys_cli.command("show-public")
def show_public() -> None:
    """Print the public key as PEM."""
    console.out(keys.public_pem(bare_app().settings.home), end="", highlight=False)


@cli.command()
def run(log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False) -> None:
    """Run the queue until SIGTERM, then finish what has begun."""
    logs.configure(log_json or not sys.stderr.isatty())
    clean = application().loop().run()
    raise typer.Exit(0 if clean else 1)


@cli.command()
def tick() -> None:
    """One pass for cron: claim a batch, finish it, exit."""
    logs.configure(not sys.stderr.isatty())
    found = application()
    worker = found.worker()
    count = tick_once(worker, jobs.standard(worker.rescue))
    console.print(f"{count} tasks")


def main() -> None:
    """Run the command line; errors are one line that names the thing, the reason and the next step."""
    try:
        code = cli(standalone_mode=False)
    except TenantryError as error:
        problems.print(Text(f"tenantry: {error}"))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
