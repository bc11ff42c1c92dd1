"""Where a new service goes: the least loaded active server of the group that has the role."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import Conflict
from orchestrator.core.states import Mode, Role, ServerStatus
from orchestrator.plan.snapshot import ServerView


def place(servers: Sequence[ServerView], mode: str, roles: frozenset[str], group: str) -> dict[str, list[ServerView]]:
    """Return the servers for each role of a new service; every DNS server of the group takes its zone.

    Raises Conflict, with the remedy, when a role has no server with room.
    """
    chosen: dict[str, list[ServerView]] = {}
    wanted = [role for role in (Role.WEB, Role.MAIL) if role in roles]
    if mode == Mode.UNIFIED and wanted:
        server = _least_loaded(servers, frozenset(wanted), group)
        chosen.update({role: [server] for role in wanted})
    else:
        chosen.update({role: [_least_loaded(servers, frozenset({role}), group)] for role in wanted})
    if Role.DNS in roles:
        chosen[Role.DNS] = _dns_servers(servers, group)
    return chosen


def _least_loaded(servers: Sequence[ServerView], roles: frozenset[str], group: str) -> ServerView:
    able = [server for server in servers if server.status == ServerStatus.ACTIVE and roles <= server.roles]
    label = " and ".join(sorted(roles))
    if not able:
        raise Conflict(
            f"group {group} has no active server for {label}; add one with `tenantry server add --group {group}`"
        )
    free = [server for server in able if not server.capacity or _load(server, roles) < server.capacity]
    if not free:
        raise Conflict(f"every {label} server of group {group} is full; raise a capacity or add a server")
    return min(free, key=lambda server: (_load(server, roles) / (server.capacity or 1_000_000), server.name))


def _load(server: ServerView, roles: frozenset[str]) -> int:
    return max(server.load.get(role, 0) for role in roles)


def _dns_servers(servers: Sequence[ServerView], group: str) -> list[ServerView]:
    able = [server for server in servers if Role.DNS in server.roles and server.status != ServerStatus.GONE]
    if not able:
        raise Conflict(
            f"group {group} has no DNS server; add one with `tenantry server add --roles dns --group {group}`"
        )
    return sorted(able, key=lambda server: server.name)
