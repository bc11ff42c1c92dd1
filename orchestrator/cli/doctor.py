"""tenantry doctor: what this installation lacks, each with what to type."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from orchestrator.app import App
from orchestrator.cli import doctor_database
from orchestrator.cli.edge import bare_app
from orchestrator.cli.output import console, print_json
from orchestrator.config import channels, keys
from orchestrator.config.settings import Settings
from orchestrator.core.errors import TenantryError
from orchestrator.execute import ssh_probe, workspace
from orchestrator.models.fleet import Server
from orchestrator.plan.catalog import CATALOG
from orchestrator.store import fleet, maintenance, notices, schema
from orchestrator.store.database import database_now, is_sqlite, session

_PACKAGES = {"ansible-core": "2.19.", "ansible-runner": "2.4."}
_FREE_MIB = 256
_AT_ONCE = 8
Answer = tuple[bool | None, str]  # None: not looked at, and why
_MARKS = {True: ("ok   ", "green"), False: ("FAIL ", "red"), None: ("?    ", "yellow")}


def doctor(
    servers: Annotated[bool, typer.Option(help="Also log in to every server.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds for each server.", min=1, max=120)] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation and say what is missing, each with its remedy."""
    app = bare_app()
    findings = [*_installation(app), *(_servers(app, timeout) if servers else [])]
    if as_json:
        print_json(findings)
    else:
        for one in findings:
            text = Text.assemble(_MARKS[one["ok"]], f"{one['check']:<16} {one['message']}")
            console.print(text, soft_wrap=True)
    if any(one["ok"] is False for one in findings):
        raise typer.Exit(3)


def _installation(app: App) -> Iterator[dict[str, Any]]:
    checks: dict[str, Callable[[], Answer]] = {
        "database": lambda: _database(app.settings),
        **({} if is_sqlite() else doctor_database.checks(app.settings.database_url)),
        "schema": _schema,
        "sealing key": lambda: _sealing_key(app.settings),
        "ssh key": lambda: _ssh_key(app.settings.ssh_key),
        "run root": lambda: _run_root(app.settings.run_root),
        "playbooks": lambda: _playbooks(app.settings.project_root),
        **{name: lambda name=name, wanted=wanted: _package(name, wanted) for name, wanted in _PACKAGES.items()},  # type: ignore[misc]
        "ansible-playbook": _ansible_playbook,
        "queue": _queue,
        "notices": _notices,
    }
    for name, check in checks.items():
        yield {"check": name, **_asked(check)}


def _asked(check: Callable[[], Answer]) -> dict[str, Any]:
    try:
        with session():
            is_ok, message = check()
    except TenantryError as error:
        is_ok, message = False, str(error)
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        is_ok, message = False, f"{type(error).__name__}: {error}"
    return {"ok": is_ok, "message": message}


def _database(settings: Settings) -> Answer:
    kind = "SQLite" if is_sqlite() else "MariaDB"
    place = settings.database_url.rpartition("@")[2].partition("?")[0] if not is_sqlite() else settings.database_url
    return True, f"{kind} at {place} answers, its clock says {database_now():%Y-%m-%d %H:%M:%S} UTC"


def _schema() -> Answer:
    found, known = schema.version(), max(schema.migrations())
    if found > known:
        return False, f"version {found:04d} is newer than this program's {known:04d}; upgrade the program"
    return found == known, f"version {found:04d}" + ("" if found == known else f" of {known:04d}; run `tenantry init`")


def _sealing_key(settings: Settings) -> Answer:
    keys.load_private_key(settings.home)
    mode = stat.S_IMODE(settings.home.stat().st_mode)
    return not mode & 0o077, f"{settings.home}" + (
        f" is open to others; chmod 700 {settings.home}" if mode & 0o077 else ""
    )


def _ssh_key(path: Path) -> Answer:
    if not os.access(path, os.R_OK):
        return False, f"{path} cannot be read; make one with: ssh-keygen -t ed25519 -N '' -f {path}"
    mode = stat.S_IMODE(path.stat().st_mode)
    return not mode & 0o077, f"{path}" + (f" is open to others; chmod 600 {path}" if mode & 0o077 else "")


def _run_root(path: Path) -> Answer:
    free = workspace.free_bytes(path) // 2**20
    if not os.access(path, os.W_OK | os.X_OK):
        return False, f"{path} cannot be written; set TENANTRY_RUN_ROOT to a folder of this user"
    return free >= _FREE_MIB, f"{path}, {free} MiB free" + ("" if free >= _FREE_MIB else "; free some disk space")


def _playbooks(root: Path) -> Answer:
    missing = [one.name for one in CATALOG.values() if one.kind == "step" and not (root / one.playbook).is_file()]
    text = f"{root / 'playbooks'} lacks {', '.join(missing)}; set TENANTRY_PROJECT_ROOT to the repository"
    return not missing, text if missing else f"{root / 'playbooks'} has one for every step"


def _package(name: str, wanted: str) -> Answer:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False, "is not installed; run `make setup`"
    return found.startswith(wanted), found + ("" if found.startswith(wanted) else f", not {wanted}x; run `make setup`")


def _ansible_playbook() -> Answer:
    path = Path(sys.executable).parent / "ansible-playbook"
    return path.is_file(), f"{path}" + ("" if path.is_file() else " is missing; run `make setup`")


def _notices() -> Answer:
    ways = ", ".join(channels.from_environment().configured()) or "none configured"
    failing, given_up = notices.undelivered()
    return not failing and not given_up, f"{ways}; {failing} wait for another attempt, {given_up} were given up"


def _queue() -> Answer:
    stuck = maintenance.stuck(int(fleet.knob_value("tasks.stuck_after_minutes")))
    if stuck:
        return (
            False,
            f"task {stuck[0].id} ({stuck[0].action}) is stuck; `tenantry task force-fail {stuck[0].id}` ends it",
        )
    waiting = maintenance.overdue(seconds=60)
    if waiting:
        return False, f"{waiting} tasks are due for more than a minute; start `tenantry run`, or look at their servers"
    return True, "nothing is stuck or overdue"


def _servers(app: App, timeout: float) -> list[dict[str, Any]]:
    try:
        with session():
            rows = list(Server.select().where(Server.status != "gone").order_by(Server.name))
    except Exception:  # noqa: BLE001 - the database's own check has said it
        return []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda row: _server(row, app.settings.ssh_key, timeout), rows))


def _server(row: Server, key: Path, timeout: float) -> dict[str, Any]:
    def check() -> Answer:
        failed = [one for one in ssh_probe.probe(fleet.host(row), key, timeout) if not one.ok]
        return not failed, f"{failed[0].check}: {failed[0].message}" if failed else "can be reached and is ready"

    return {"check": f"server {row.name}", **_asked(check)}
