"""Groups whose commands are imported when one is called, so that each command waits for nothing but its own modules."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup


def lazily(table: Mapping[str, str]) -> type[TyperGroup]:
    """Return a class of group that also has these commands: name to "module:attribute", a function or a Typer."""

    class Lazy(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *(name for name in table if name not in self.commands)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name in table and cmd_name not in self.commands:
                self.add_command(_imported(cmd_name, table[cmd_name]), cmd_name)
            return super().get_command(ctx, cmd_name)

    return Lazy


def _imported(name: str, where: str) -> Any:
    found = pkgutil.resolve_name(where)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    holder = typer.Typer(add_completion=False)
    holder.command(name)(found)
    return typer.main.get_command(holder)
