"""The command `tenantry`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from peewee import PeeweeException
from rich.text import Text

from orchestrator import __version__, logs
from orchestrator.cli import (
    doctor,
    fence,
    groups,
    life,
    log,
    notices,
    orphans,
    packages,
    parents,
    plans,
    reconcile,
    servers,
    services,
    settings,
    ssl,
    tasks,
    tokens,
    usage,
    users,
)
from orchestrator.cli.edge import app as application
from orchestrator.cli.edge import bare_app
from orchestrator.cli.output import console, problems
from orchestrator.config import keys
from orchestrator.core.errors import TenantryError
from orchestrator.scheduler.loop import tick as tick_once
from orchestrator.store import schema
from orchestrator.store.database import explained

# click's ClickException; newer versions of typer bring a copy of their own
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

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
cli.add_typer(parents.cli, name="parent-domain")
cli.add_typer(services.cli, name="service")
services.cli.add_typer(life.cli)
services.cli.add_typer(plans.cli)
cli.add_typer(orphans.cli, name="orphan")
cli.add_typer(tasks.cli, name="task")
cli.add_typer(fence.cli, name="fence")
cli.add_typer(ssl.cli, name="ssl")
cli.add_typer(usage.cli, name="usage")
cli.add_typer(settings.cli, name="settings")
cli.add_typer(tokens.cli, name="token")
cli.add_typer(users.cli, name="user")
cli.add_typer(notices.cli, name="notice")
cli.add_typer(keys_cli, name="keys")
cli.command("log")(log.show_log)
cli.command("doctor")(doctor.doctor)
cli.command("reconcile")(reconcile.reconcile)


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
    count = tick_once(worker, found.jobs(worker))
    console.print(f"{count} tasks")


def main() -> None:
    """Run the command line; errors are one line that names the thing, the reason and the next step."""
    try:
        code = cli(standalone_mode=False)
    except TenantryError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except _USAGE_ERROR as error:
        _explain_usage(error)
        sys.exit(2)
    except PeeweeException as error:
        found = explained(error)
        _complain(str(found) if isinstance(found, TenantryError) else f"the database refused: {error}")
        sys.exit(3)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("TENANTRY_DEBUG"):
            raise
        _complain(f"internal error ({type(error).__name__}: {error}); set TENANTRY_DEBUG=1 to see where")
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _explain_usage(error: Any) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    where = error.ctx.command_path if getattr(error, "ctx", None) else "tenantry"
    _complain(f"{error.format_message()} See `{where} --help`")


def _complain(message: str) -> None:
    problems.print(Text(f"tenantry: {' '.join(message.split())}"), soft_wrap=True)
