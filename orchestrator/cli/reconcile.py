"""tenantry reconcile: where billing, the wanted state and the servers differ; with --apply what mends it is asked for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.edge import actor
from orchestrator.cli.output import console, print_json, show
from orchestrator.cli.running import engine
from orchestrator.core.errors import InvalidInput, TenantryError, Unavailable
from orchestrator.core.states import Desired, Outcome, ServiceStatus
from orchestrator.dispatch import rehearsal
from orchestrator.engine import Engine
from orchestrator.execute.base import Executor
from orchestrator.plan.reconcile import REMOVAL, Difference, Standing, compare, read_list
from orchestrator.store import reconcile as store

_COLUMNS = ("service", "between", "found", "action", "task")
_LIST_BYTES = 2**25
_SETTLED = (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED)
_FOUND_CHARACTERS = 1000


def reconcile(
    service: Annotated[list[int] | None, typer.Option(help="Only this service; may be repeated.")] = None,
    billing: Annotated[
        str, typer.Option(metavar="FILE", help="Billing's own list, lines of id,status; - is standard input.")
    ] = "",
    nodes: Annotated[bool, typer.Option(help="Also look at the servers, in check mode.")] = True,
    apply: Annotated[bool, typer.Option("--apply", help="Ask for what mends each difference.")] = False,
    removals: Annotated[bool, typer.Option("--removals", help="With --apply: terminate services, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what billing wants, what the database wants and what is on the servers; change nothing unless asked to."""
    found = engine()
    if removals and not apply:
        raise InvalidInput("--removals", "does nothing by itself", "add --apply")
    standings = store.standings(_listed(billing), service or ())
    differences = list(_differences(found, standings, nodes))
    rows = [_row(one, apply, removals) for one in differences]
    if as_json:
        print_json(rows)
    elif rows:
        show(rows, _COLUMNS, as_json=False)
    else:
        console.print(f"{len(standings)} services, no difference")
    if any(one.is_unknown for one in differences):
        raise typer.Exit(Unavailable.exit_code)


def _listed(file: str) -> Mapping[int, Desired | None] | None:
    if not file:
        return None
    try:
        with sys.stdin if file == "-" else Path(file).open(encoding="utf-8-sig") as handle:
            text = handle.read(_LIST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--billing", f"{file} cannot be read ({error})", "give a CSV file of id,status") from None
    if len(text) > _LIST_BYTES:
        raise InvalidInput("--billing", "is longer than 32 MB", "give lines of id,status only")
    return read_list(text)


def _differences(found: Engine, standings: Iterable[Standing], nodes: bool) -> Iterator[Difference]:
    """Yield each difference; a service's servers are looked at when everything else agrees."""
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(contextlib.closing(found.executor())) if nodes else None
        for one in standings:
            difference = compare(one)
            if difference is None and executor is not None and not one.is_busy and one.status in _SETTLED:
                difference = _on_nodes(found, executor, one.service)
            if difference is not None:
                yield difference


def _on_nodes(found: Engine, executor: Executor, service: int) -> Difference | None:
    """Rehearse a repair: what it would change is what the servers have otherwise."""
    try:
        results = list(rehearsal.rehearse(found.rehearse("service.repair", service, {}, actor()), executor))
    except Unavailable:
        raise
    except TenantryError as error:
        return _on_nodes_found(service, f"it cannot be compared: {error}")
    away = [f"{step.step}: {one.message}" for step, one in results if one.outcome is Outcome.UNREACHABLE]
    if away:
        return _on_nodes_found(service, f"its servers could not all be asked: {'; '.join(away)}", is_unknown=True)
    other = [f"{step.step} ({one.message or one.outcome})" for step, one in results if one.outcome is not Outcome.OK]
    if not other:
        return None
    return _on_nodes_found(service, f"servers have something else: {', '.join(other)}", action="service.repair")


def _on_nodes_found(service: int, told: str, action: str = "", is_unknown: bool = False) -> Difference:
    found = told[:_FOUND_CHARACTERS]
    return Difference(service=service, between="nodes", found=found, action=action, is_unknown=is_unknown)


def _row(one: Difference, apply: bool, removals: bool) -> dict[str, Any]:
    wanted = apply and one.action and (removals or one.action != REMOVAL)
    task = store.apply(one, actor()) if wanted else None
    return {"service": one.service, "between": one.between, "found": one.found, "action": one.action, "task": task}
