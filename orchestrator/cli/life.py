"""tenantry service suspend, unsuspend, terminate, redeploy, … : the life of a service after its order."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli import asking, progress
from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console
from orchestrator.cli.services import ServiceId, Wait
from orchestrator.core.states import TaskStatus
from orchestrator.store import fleet, services, tasks


def _ask(action: str, service_id: int, params: dict[str, Any], wait: bool) -> None:
    app()
    services.get(service_id)  # a slip of the pen is said at once, not by a task in error
    asking.ask(f"service.{action}", service_id, params, wait)


def suspend(
    service_id: ServiceId,
    reason: Annotated[str, typer.Option(help="Why; shown to staff and in refusals.")] = "",
    wait: Wait = False,
) -> None:
    """Cut a service off; nothing of it is deleted."""
    _ask("suspend", service_id, {"reason": reason} if reason else {}, wait)


def unsuspend(service_id: ServiceId, wait: Wait = False) -> None:
    """Bring a service back as it was, or withdraw its pending termination."""
    _ask("unsuspend", service_id, {}, wait)


def terminate(
    service_id: ServiceId,
    force: Annotated[bool, typer.Option("--force", help="Close it out now, whatever its servers say.")] = False,
    wait: Wait = False,
) -> None:
    """Remove a service from all its servers (after the time of grace, when there is one)."""
    _ask("terminate", service_id, {"force": True} if force else {}, wait)


def redeploy(service_id: ServiceId, wait: Wait = False) -> None:
    """Run the whole chain of a service again; on a healthy one nothing changes. After a failure: try again."""
    _ask("redeploy", service_id, {}, wait)


def repair(service_id: ServiceId, wait: Wait = False) -> None:
    """Compare every object with what it should be and mend only what is missing or wrong."""
    _ask("repair", service_id, {}, wait)


def sync_usage(service_id: ServiceId, wait: Wait = False) -> None:
    """Collect the usage of the service's servers, then derive and tell its figures."""
    _ask("sync_usage", service_id, {}, wait)


def factory_reset(
    service_id: ServiceId,
    confirm: Annotated[str, typer.Option(help="The code that the first call printed.")] = "",
    wait: Wait = False,
) -> None:
    """Wipe what a service holds and deploy it anew. The first call says what would go and gives a code."""
    if confirm:
        _ask("factory_reset", service_id, {"confirm": confirm}, wait)
        return
    app().check("service.factory_reset", service_id, {}, actor())
    services.get(service_id)
    task = tasks.enqueue("service.factory_reset", service_id=service_id, requested_by=actor())
    if progress.watch_intent(task) != TaskStatus.DONE:
        raise typer.Exit(1)
    answer = tasks.get(task).result
    counted = ", ".join(f"{count} {kind}" for kind, count in answer["will_wipe"].items() if count)
    console.print(f"service {service_id}: this would wipe {counted}", soft_wrap=True)
    console.print(
        f"to do it: tenantry service factory-reset {service_id} --confirm {answer['confirm']}", soft_wrap=True
    )


def change_package(
    service_id: ServiceId,
    package: Annotated[str, typer.Argument(help="The package.")],
    wait: Wait = False,
) -> None:
    """Give a service the limits of another package."""
    app()
    fleet.package(package)
    _ask("change_package", service_id, {"package": package}, wait)


def change_password(service_id: ServiceId, wait: Wait = False) -> None:
    """Set the password of the first mailbox; it is read from standard input."""
    app()
    services.get(service_id)
    _ask("change_password", service_id, {"password_sealed": asking.sealed_password()}, wait)


def change_domain(
    service_id: ServiceId, domain: Annotated[str, typer.Argument(help="The new domain.")], wait: Wait = False
) -> None:
    """Move a service to another domain; the old one goes when everything answers under the new one."""
    _ask("change_domain", service_id, {"domain": domain}, wait)
