"""What all pages of the console do alike: show with the frame around, act and say how it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from orchestrator.core.errors import TenantryError
from orchestrator.core.operators import Rank
from orchestrator.store import audit
from orchestrator.store.console_sessions import Person
from orchestrator.store.database import session
from orchestrator.web.shell import entry, origin
from orchestrator.web.shell.templates import page

# address, title, key that follows "g"
NAVIGATION = (
    ("/console/", "Overview", "o"),
    ("/console/tasks", "Tasks", "t"),
    ("/console/services", "Services", "s"),
    ("/console/certificates", "Certificates", "c"),
    ("/console/statistics", "Statistics", "u"),
    ("/console/servers", "Servers", "n"),
    ("/console/log", "Log", "l"),
    ("/console/settings", "Settings", "e"),
    ("/console/audit", "Audit", "a"),
)


def show(request: Request, who: Person, name: str, **values: Any) -> Response:
    """Return a page of the console. A region that refreshes by itself does not take the message away."""
    text, is_bad = entry.said(request)
    frame = {
        "who": who,
        "csrf": entry.token(request),
        "navigation": NAVIGATION,
        "path": request.url.path,
        "here": _here(request),
        "said": text,
        "said_bad": is_bad,
        "can_support": who.rank.may(Rank.SUPPORT),
        "can_admin": who.rank.may(Rank.ADMIN),
    }
    answer = page(f"console/{name}.html", **frame, **values)
    entry.unsay(request, answer)
    return answer


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def act(
    request: Request, who: Person, action: str, target: str, back: str, work: Callable[[], str], detail: str = ""
) -> Response:
    """Do something, write down who did it and how it ended, and go back to a page that says so."""
    is_bad, text = False, ""
    with session():
        try:
            text = work()
        except TenantryError as error:
            is_bad, text = True, str(error)
        told = " · ".join(filter(None, (detail, f"refused: {text}" if is_bad else "")))
        audit.write(who.actor, origin.address(request), action, target, told)
    answer = RedirectResponse(back, 303)
    entry.say(request, answer, text, is_bad)
    return answer


def link(path: str, **values: Any) -> str:
    """Return an address with those of the values that say something."""
    query = urlencode([(key, value) for key, value in values.items() if value not in ("", None)])
    return f"{path}?{query}" if query else path
