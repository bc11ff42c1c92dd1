"""tenantry fence …: after a backup of the database was restored."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, print_json, show
from orchestrator.core.errors import InvalidInput, TenantryError, Unavailable
from orchestrator.core.records import Host
from orchestrator.execute import guard_probe
from orchestrator.models.fleet import Server
from orchestrator.plan import fences as rules
from orchestrator.plan.fences import CatchUp, Seen
from orchestrator.store import fences, fleet

cli = typer.Typer(help="Tokens that keep overtaken work away from the servers.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Timeout = Annotated[float, typer.Option(help="Seconds for each server.", min=1, max=120)]
_AT_ONCE = 8


@cli.command("show")
def show_fence(timeout: Timeout = 20.0, as_json: Json = False) -> None:
    """Show the highest token of the database and of each server; a server must not be ahead."""
    found = app()
    known = fences.known()
    rows: list[dict[str, Any]] = [{"place": "database", "token": known.token, "services": len(known.generations)}]
    for name, answer in _ask(found.settings.ssh_key, timeout):
        rows.append({"place": name, **_told(answer)})
    show(rows, ("place", "token", "services", "problem"), as_json)
    if any("problem" in row for row in rows):
        raise typer.Exit(Unavailable.exit_code)


def _told(answer: Seen | TenantryError) -> dict[str, Any]:
    if isinstance(answer, Seen):
        return {"token": answer.token, "services": len(answer.generations)}
    return {"token": None, "services": None, "problem": str(answer)}


@cli.command("raise")
def raise_fence(timeout: Timeout = 20.0, as_json: Json = False) -> None:
    """Take over from the servers what a restored database has forgotten. Run it before `tenantry run`; again does no harm."""
    found = app()
    answers = list(_ask(found.settings.ssh_key, timeout))
    seen = [answer for _, answer in answers if isinstance(answer, Seen)]
    adopted = fences.adopt(partial(rules.catch_up, seen=seen), actor())
    problems = [str(answer) for _, answer in answers if not isinstance(answer, Seen)]
    problems += [f"{name} says numbers that cannot be ours; look at its guard" for name in adopted.disbelieved]
    if as_json:
        print_json({**_summary(adopted), "problems": problems})
    else:
        _tell(adopted)
    if problems and not as_json:
        console.print("\n".join(problems), soft_wrap=True, markup=False)
    if problems:
        raise Unavailable("not every server could be asked; run `tenantry fence raise` again when it can")


def _ask(key: Path, timeout: float) -> Iterable[tuple[str, Seen | TenantryError]]:
    hosts = [fleet.host(row) for row in Server.select().where(Server.status != "gone").order_by(Server.name)]
    if not hosts:
        raise InvalidInput("servers", "there is none to ask", "see `tenantry server list`")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(
            [host.name for host in hosts], pool.map(lambda one: _look(one, key, timeout), hosts), strict=True
        )


def _look(host: Host, key: Path, timeout: float) -> Seen | TenantryError:
    try:
        return guard_probe.look(host, key, timeout)
    except TenantryError as error:
        return error


def _summary(found: CatchUp) -> dict[str, Any]:
    return {"token": found.token, "uid": found.uid, "ahead": sorted(found.ahead), "unknown": sorted(found.unknown)}


def _tell(found: CatchUp) -> None:
    console.print(f"tokens go on at {found.token}" if found.token else "no server has seen a higher token")
    if found.ahead:
        listed = ", ".join(map(str, sorted(found.ahead)))
        console.print(f"services with newer requests than this database knows: {listed}", soft_wrap=True)
    if found.unknown:
        listed = ", ".join(map(str, sorted(found.unknown)))
        console.print(f"services that this database does not know; order them again: {listed}", soft_wrap=True)
    if found.ahead or found.unknown:
        console.print("next: tenantry reconcile --billing FILE")
