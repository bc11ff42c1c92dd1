"""Settings: made from the registry of knobs, with who changed what."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from orchestrator.config.knobs import KNOBS, Knob, knob
from orchestrator.models.fleet import Setting
from orchestrator.store import fleet
from orchestrator.store.database import session
from orchestrator.web.console.frame import act, show
from orchestrator.web.shell.entry import Admin, Fields, Reader

router = APIRouter(include_in_schema=False)
_TITLES: Mapping[str, tuple[str, ...]] = {
    "General": ("tasks", "server", "execution", "terminate", "reload", "dns"),
    "SSL": ("ssl",),
    "Usage": ("usage",),
    "Notifications": ("tickets", "notices", "events"),
    "Pages": ("console", "customer"),
}


def sections() -> dict[str, list[Knob]]:
    """Return the knobs by title; one that belongs to none stands under Other, so that none is missing."""
    placed = {prefix: title for title, prefixes in _TITLES.items() for prefix in prefixes}
    found: dict[str, list[Knob]] = {title: [] for title in _TITLES}
    for one in KNOBS.values():
        found.setdefault(placed.get(one.name.split(".")[0], "Other"), []).append(one)
    return found


@router.get("/settings")
def listing(request: Request, who: Reader) -> Response:
    """Show every setting."""
    with session():
        values = fleet.knob_values()
        changed = {row.name: row for row in Setting.select()}
    return show(request, who, "settings", sections=sections(), values=values, changed=changed)


@router.post("/settings/{name}")
def change(name: str, request: Request, who: Admin, fields: Fields) -> Response:
    """Set one."""

    def work() -> str:
        before = fleet.knob_value(knob(name).name)
        after = fleet.set_knob(name, str(fields.get("value", "")), who.actor)
        return f"{name}: {_text(before)} → {_text(after)}"

    given = f"to {str(fields.get('value', ''))[:200]}"
    return act(request, who, "settings set", name[:64], f"/console/settings#{name}", work, given)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "empty"
