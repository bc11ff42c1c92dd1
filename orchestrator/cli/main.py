"""The command `tenantry`."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from peewee import PeeweeException
from rich.text import Text

from orchestrator import __version__
from orchestrator.cli.edge import bare_app
from orchestrator.cli.lazy import lazily
from orchestrator.cli.output import console, problems
from orchestrator.config import keys
from orchestrator.core.errors import TenantryError
from orchestrator.store import schema
from orchestrator.store.database import explained

# click's ClickException; newer versions of typer bring a copy of their own
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

_COMMANDS = {
    "run": "orchestrator.cli.running:run",
    "tick": "orchestrator.cli.running:tick",
    "serve": "orchestrator.web.serve:serve",
    "log": "orchestrator.cli.log:show_log",
    "doctor": "orchestrator.cli.doctor:doctor",
    "reconcile": "orchestrator.cli.reconcile:reconcile",
    "server": "orchestrator.cli.servers:cli",
    "group": "orchestrator.cli.groups:cli",
    "package": "orchestrator.cli.packages:cli",
    "parent-domain": "orchestrator.cli.parents:cli",
    "service": "orchestrator.cli.services:cli",
    "orphan": "orchestrator.cli.orphans:cli",
    "task": "orchestrator.cli.tasks:cli",
    "fence": "orchestrator.cli.fence:cli",
    "ssl": "orchestrator.cli.ssl:cli",
    "authority": "orchestrator.cli.authority:cli",
    "usage": "orchestrator.cli.usage:cli",
    "settings": "orchestrator.cli.settings:cli",
    "token": "orchestrator.cli.tokens:cli",
    "user": "orchestrator.cli.users:cli",
    "notice": "orchestrator.cli.notices:cli",
}

cli = typer.Typer(
    name="tenantry",
    cls=lazily(_COMMANDS),
    help="Turns rows in a billing database into hosting accounts on real machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_cli = typer.Typer(help="The key to which secrets are sealed.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")


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
