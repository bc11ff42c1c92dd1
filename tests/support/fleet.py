"""A small fleet in the database, and orders for it."""

from __future__ import annotations

from typing import Any

from orchestrator.models.base import database
from orchestrator.plan import limits
from orchestrator.store import fleet

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"
SERVERS = {
    "web1": ("10.77.0.11", "web"),
    "mail1": ("10.77.0.21", "mail"),
    "dns1": ("10.77.0.31", "dns"),
    "dns2": ("10.77.0.32", "dns"),
}


def build(servers: dict[str, tuple[str, str]] | None = None, **limit: Any) -> None:
    """Add a group `standard`, a package `small` and the servers."""
    fleet.add_group("standard", {})
    fleet.add_package("small", limits.parse(limit))
    for name, (address, roles) in (SERVERS if servers is None else servers).items():
        add_server(name, address, roles)


def add_server(name: str, address: str, roles: str, **more: Any) -> None:
    """Add one server to the group `standard`."""
    values = {
        "name": name,
        "address": address,
        "ipv4": address,
        "ipv6": "",
        "roles": roles,
        "hostname": "",
        "port": 22,
        "login": "deploy",
        "capacity": 0,
        "concurrency": None,
        "host_keys": HOST_KEY,
        **more,
    }
    fleet.add_server(values, ["standard"])


def insert_task(sql_values: dict[str, Any]) -> int:
    """Insert a task row as another program would, by plain SQL."""
    mark = "?" if "Sqlite" in type(database.obj).__mro__[1].__name__ else "%s"
    columns = ", ".join(sql_values)
    marks = ", ".join([mark] * len(sql_values))
    cursor = database.execute_sql(f"INSERT INTO tasks ({columns}) VALUES ({marks})", tuple(sql_values.values()))
    return int(cursor.lastrowid)
