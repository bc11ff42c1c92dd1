"""Servers, groups, packages and the knobs' values."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

from peewee import fn

from orchestrator.config.knobs import KNOBS, Value, knob
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, NotFound
from orchestrator.core.records import Host
from orchestrator.core.states import ServerStatus
from orchestrator.models.fleet import Counter, GroupMember, Package, ParentDomain, Server, ServerGroup, Setting
from orchestrator.models.service import Placement, Service
from orchestrator.plan.snapshot import ServerView
from orchestrator.store.database import locked, transaction

_DEBIAN_UIDS = range(60_000, 65_536)


def server(name: str) -> Server:
    """Return a server by name."""
    row: Server = _found(Server.get_or_none(Server.name == name), "server", name)
    return row


def group(name: str) -> ServerGroup:
    """Return a group by name."""
    row: ServerGroup = _found(ServerGroup.get_or_none(ServerGroup.name == name), "group", name)
    return row


def package(name: str) -> Package:
    """Return a package by name."""
    row: Package = _found(Package.get_or_none(Package.name == name), "package", name)
    return row


def _found(row: Any, kind: str, name: str) -> Any:
    if row is None:
        raise NotFound(kind, f"there is no {kind} “{name[:63]}”", f"see `tenantry {kind} list`")
    return row


def add_server(values: dict[str, Any], groups: list[str]) -> Server:
    """Store a new server and its groups; Conflict when the name is taken."""

    def work() -> Server:
        if Server.get_or_none(Server.name == values["name"]):
            raise Conflict(f"server {values['name']} exists already; choose another name")
        row = Server.create(failures=0, status=ServerStatus.ACTIVE, created_at=utc_now(), **values)
        for name in groups:
            GroupMember.create(group_id=group(name).id, server_id=row.id)
        return row

    return transaction(work)


def add_group(name: str, settings: dict[str, Any]) -> ServerGroup:
    """Store a new group; Conflict when the name is taken."""
    row: ServerGroup = _add(ServerGroup, "group", name, settings=settings)
    return row


def set_group(name: str, setting: str, value: Any) -> None:
    """Store one setting of a group; an empty value is the default again."""

    def work() -> None:
        row = group(name)
        kept = {key: old for key, old in row.settings.items() if key != setting}
        settings = {**kept, setting: value} if value != "" else kept
        ServerGroup.update(settings=settings).where(ServerGroup.id == row.id).execute()

    transaction(work)


def add_package(name: str, limits: dict[str, Any]) -> Package:
    """Store a new package; Conflict when the name is taken."""
    row: Package = _add(Package, "package", name, limits=limits, active=True)
    return row


def _add(model: Any, kind: str, name: str, **values: Any) -> Any:
    def work() -> Any:
        if model.get_or_none(model.name == name):
            raise Conflict(f"{kind} {name} exists already; choose another name")
        return model.create(name=name, created_at=utc_now(), **values)

    return transaction(work)


def join_group(server_name: str, group_name: str) -> None:
    """Put a server into a group; harmless when it is there."""
    member = {"group_id": group(group_name).id, "server_id": server(server_name).id}
    transaction(lambda: GroupMember.insert(**member).on_conflict_ignore().execute())


def set_server_status(name: str, status: ServerStatus) -> None:
    """Let a server take work, or stop it from taking any; closing its circuit again."""
    row = server(name)
    transaction(
        lambda: Server.update(status=status, failures=0, circuit_until=None).where(Server.id == row.id).execute()
    )


def set_server_room(name: str, concurrency: int | None, capacity: int) -> None:
    """Set how many steps a server takes at once (None: what server.concurrency says) and how many services (0: no limit).

    What runs there and what it holds already stays.
    """
    row = server(name)
    change = Server.update(concurrency=concurrency, capacity=capacity).where(Server.id == row.id)
    transaction(lambda: change.execute())


def members(group_id: int) -> list[ServerView]:
    """Return the servers of a group with their load."""
    rows = Server.select().join(GroupMember, on=(GroupMember.server_id == Server.id))
    loads = _loads()
    return [view(row, loads.get(row.id, {})) for row in rows.where(GroupMember.group_id == group_id)]


def _loads() -> dict[int, dict[str, int]]:
    query = Placement.select(Placement.server_id, Placement.role, fn.COUNT(Placement.service_id))
    rows: Any = query.group_by(Placement.server_id, Placement.role).tuples()
    loads: dict[int, dict[str, int]] = {}
    for server_id, role, load in rows:
        loads.setdefault(server_id, {})[role] = load
    return loads


def lock(server_ids: Sequence[int]) -> None:
    """Let others who lock one of these servers wait for the end of the caller's transaction."""
    list(locked(Server.select(Server.id).where(Server.id << list(server_ids)).order_by(Server.id)))


def set_challenge(server_id: int, thumbprint: str) -> None:
    """Remember, inside the caller's transaction, what a server answers a CA with; empty: it is put there again."""
    Server.update(challenge=thumbprint).where(Server.id == server_id).execute()


def view(row: Server, load: dict[str, int] | None = None) -> ServerView:
    """Return the planner's view of a server."""
    return ServerView(
        id=row.id,
        name=row.name,
        hostname=row.hostname,
        ipv4=row.ipv4,
        ipv6=row.ipv6,
        roles=row.role_set(),
        status=row.status,
        capacity=row.capacity,
        load=load or {},
        challenge=row.challenge,
    )


def host(row: Server) -> Host:
    """Return a server as a run needs it."""
    return Host(
        name=row.name,
        address=row.address,
        port=row.port,
        login=row.login,
        roles=tuple(sorted(row.role_set())),
        host_keys=tuple(row.host_keys.splitlines()),
    )


def next_number(name: str, amount: int = 1) -> int:
    """Advance a counter by ``amount`` inside the caller's transaction and return its new value."""
    row = locked(Counter.select().where(Counter.name == name)).get()
    Counter.update(value=row.value + amount).where(Counter.name == name).execute()
    return int(row.value) + amount


def current_number(name: str) -> int:
    """Return a counter's value without advancing it."""
    return int(Counter.get_by_id(name).value)


def next_uid() -> int:
    """Return a UNIX user id that no account has ever had, inside the caller's transaction.

    Debian keeps 60000 to 65535 for itself (Policy 9.2.2).
    """
    found = next_number("uid")
    if found not in _DEBIAN_UIDS:
        return found
    return next_number("uid", _DEBIAN_UIDS.stop - found)


def knob_value(name: str) -> Value:
    """Return a knob's value: what an operator set, or its default."""
    row: Any = Setting.select(Setting.value).where(Setting.name == name).tuples().first()
    return knob(name).parse(row[0]) if row else knob(name).default


def knob_values() -> dict[str, Value]:
    """Return the values of all knobs."""
    stored = {row.name: row.value for row in Setting.select() if row.name in KNOBS}
    return {name: one.parse(stored[name]) if name in stored else one.default for name, one in KNOBS.items()}


def set_knob(name: str, text: str, actor: str) -> Value:
    """Validate and store a knob's value."""
    value = knob(name).parse(text)
    stored = str(value).lower() if isinstance(value, bool) else str(value)
    row: Any = Setting  # types of Peewee's `replace` are not published
    transaction(lambda: row.replace(name=name, value=stored, changed_by=actor, changed_at=utc_now()).execute())
    return value


def used_by(server_id: int) -> Tally[str]:
    """Return how many services a server holds, by role."""
    return Tally(row.role for row in Placement.select().where(Placement.server_id == server_id))


def remove_group(name: str) -> None:
    """Delete a group that no service was placed by."""

    def work() -> None:
        row = group(name)
        _refuse_used(Service.select().where(Service.group_id == row.id).count(), f"group {name}")
        if parent := ParentDomain.get_or_none(ParentDomain.group_id == row.id):
            raise Conflict(f"group {name} has the DNS servers of parent domain {parent.name}; remove that first")
        GroupMember.delete().where(GroupMember.group_id == row.id).execute()
        row.delete_instance()

    transaction(work)


def remove_package(name: str) -> None:
    """Delete a package that no service has."""

    def work() -> None:
        row = package(name)
        _refuse_used(Service.select().where(Service.package_id == row.id).count(), f"package {name}")
        row.delete_instance()

    transaction(work)


def _refuse_used(count: int, what: str) -> None:
    if count:
        raise Conflict(f"{what} is used by {count} services; terminate or change those first")
