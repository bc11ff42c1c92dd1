"""tenantry server …"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, show, show_one
from orchestrator.core import names
from orchestrator.core.errors import InvalidInput, Unavailable
from orchestrator.core.records import Host
from orchestrator.core.states import ServerStatus
from orchestrator.execute import ssh_probe, target
from orchestrator.lifecycle import params as read
from orchestrator.models.fleet import Server
from orchestrator.store import fleet, tasks

cli = typer.Typer(help="Managed nodes.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SCAN_SECONDS = 10.0


@cli.command("add")
def add(
    name: str,
    address: Annotated[str, typer.Option(help="Where SSH reaches it.")],
    roles: Annotated[str, typer.Option(help="Some of web,mail,dns.")],
    group: Annotated[list[str] | None, typer.Option(help="A group it joins; may be repeated.")] = None,
    hostname: Annotated[str, typer.Option(help="Its public name, e.g. ns1.provider.example.")] = "",
    ipv4: Annotated[str, typer.Option(help="Public IPv4 address; default: the address.")] = "",
    ipv6: Annotated[str, typer.Option(help="Public IPv6 address.")] = "",
    port: Annotated[int, typer.Option(help="SSH port.")] = 22,
    login: Annotated[str, typer.Option(help="SSH user with sudo.")] = "deploy",
    concurrency: Annotated[int | None, typer.Option(help="Steps at once; default: server.concurrency.")] = None,
    capacity: Annotated[int, typer.Option(help="Services at most; 0 is no limit.")] = 0,
    host_key: Annotated[
        list[str] | None, typer.Option(help='Pin this key ("type base64") instead of asking it.')
    ] = None,
) -> None:
    """Add a server and pin its host keys."""
    app()
    values: dict[str, Any] = {
        "name": names.word(name, "name"),
        "address": names.address(address),
        "roles": ",".join(sorted(read.roles(roles))),
        "hostname": names.domain(hostname, "hostname") if hostname else "",
        "port": read.whole(port, "port", 1, 65535),
        "login": names.word(login, "login"),
        "capacity": read.capacity(capacity),
        "concurrency": read.slots(concurrency),
        **_public(address, ipv4, ipv6),
    }
    pinned = host_key or ssh_probe.scan_host_keys(values["address"], values["port"], _SCAN_SECONDS)
    if not pinned:
        raise Unavailable(f"{name}: no SSH host key could be read at {address}:{port}; is sshd running there?")
    target.check(_host(values, pinned))
    fleet.add_server({**values, "host_keys": "\n".join(pinned)}, group or [])
    console.print(f"added {name}, {len(pinned)} host keys pinned; next: tenantry server prepare {name}")


def _host(values: dict[str, Any], host_keys: list[str]) -> Host:
    names_ = ("name", "address", "port", "login")
    return Host(
        **{name: values[name] for name in names_}, roles=tuple(values["roles"].split(",")), host_keys=tuple(host_keys)
    )


def _public(address: str, ipv4: str, ipv6: str) -> dict[str, str]:
    found = {"ipv4": ipv4, "ipv6": ipv6}
    for family, version in (("ipv4", 4), ("ipv6", 6)):
        if found[family]:
            found[family] = names.ip_address(found[family], family, version)
    text = names.address(address)
    if not ipv4 and names.is_ipv4(text):
        found["ipv4"] = text
    return found


def _row(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "address": server.address,
        "hostname": server.hostname,
        "ipv4": server.ipv4,
        "ipv6": server.ipv6,
        "roles": sorted(server.role_set()),
        "status": server.status,
        "concurrency": server.concurrency,
        "capacity": server.capacity,
        "services": dict(fleet.used_by(server.id)),
        "circuit_until": server.circuit_until,
        "last_seen_at": server.last_seen_at,
    }


@cli.command("list")
def list_servers(as_json: Json = False) -> None:
    """List the servers."""
    app()
    rows = [_row(server) for server in Server.select().order_by(Server.name)]
    show(rows, ("name", "address", "roles", "status", "services", "circuit_until", "last_seen_at"), as_json)


@cli.command("show")
def show_server(name: str, as_json: Json = False) -> None:
    """Show one server."""
    app()
    server = fleet.server(name)
    show_one(
        {**_row(server), "port": server.port, "login": server.login, "host_keys": server.host_keys.splitlines()},
        as_json,
    )


@cli.command("test")
def test(name: str, timeout: Annotated[float, typer.Option(help="Seconds for each check.")] = 10.0) -> None:
    """Check that a server can be reached and is ready, and explain what is wrong."""
    found = app()
    findings = ssh_probe.probe(fleet.host(fleet.server(name)), found.settings.ssh_key, timeout)
    for finding in findings:
        console.print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check:<10} {finding.message}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(3)


@cli.command("prepare")
def prepare(name: str) -> None:
    """Ask for the server's software to be set up (idempotent)."""
    app()
    task = tasks.enqueue("server.prepare", server_id=fleet.server(name).id, requested_by=actor(), priority=50)
    console.print(f"task {task}: server.prepare {name}")


@cli.command("drain")
def drain(name: str) -> None:
    """Let a server keep its services and take no new ones."""
    app()
    fleet.set_server_status(name, ServerStatus.DRAINING)
    console.print(f"{name} is draining")


@cli.command("activate")
def activate(name: str) -> None:
    """Let a server take work again."""
    app()
    fleet.set_server_status(name, ServerStatus.ACTIVE)
    console.print(f"{name} is active")


@cli.command("set")
def set_server(
    name: str,
    concurrency: Annotated[
        str | None, typer.Option(help='Steps at once, or "default": what server.concurrency says.')
    ] = None,
    capacity: Annotated[int | None, typer.Option(help="Services at most; 0 is no limit.")] = None,
) -> None:
    """Change how much a server takes; what runs there and what it holds already stays."""
    app()
    row = fleet.server(name)
    if concurrency is None and capacity is None:
        raise InvalidInput("--concurrency, --capacity", "are both missing", "give at least one of them")
    at_once = row.concurrency if concurrency is None else read.slots(concurrency)
    most = row.capacity if capacity is None else read.capacity(capacity)
    fleet.set_server_room(name, at_once, most)
    console.print(f"{name}: {at_once or 'server.concurrency'} steps at once, {most or 'any number of'} services")
