"""Coming and going."""

from __future__ import annotations

import re
import time

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from orchestrator.config import keys
from orchestrator.core.clock import utc_now
from orchestrator.models.operator import Operator
from orchestrator.store import audit, console_sessions, operators
from orchestrator.store.database import session
from orchestrator.web.shell import entry, origin
from orchestrator.web.shell.templates import page

router = APIRouter(include_in_schema=False)
_WRONG = "Name, password or code is not right, or there were too many attempts; then the account rests for a while."


@router.get("/signin")
def ask(next: str = "") -> Response:
    """Show the form."""
    return page("console/signin.html", error="", next=_local(next))


@router.post("/signin", dependencies=[Depends(origin.same)])
def enter(request: Request, fields: entry.Fields) -> Response:
    """Sign in. The secret is new each time: one that somebody has put into the browser before is worth nothing."""
    name, target = str(fields.get("name", ""))[:48], _local(str(fields.get("next", "")))
    address = origin.address(request)
    if not request.app.state.attempts.take(address, time.monotonic()):
        return page("console/signin.html", 429, error="Too many attempts from here; please wait a minute.", next=target)
    with session():
        found = _judged(request, name, fields)
        audit.write(f"user:{name}", address, "sign in", "", "" if found else "refused")
        if found is None:
            return page("console/signin.html", 403, error=_WRONG, next=target)
        secret = console_sessions.begin(found, address, request.cookies.get(entry.COOKIE, ""), utc_now())
    answer = RedirectResponse(target, 303)
    entry.admit(answer, secret)
    return answer


def _judged(request: Request, name: str, fields: entry.Fields) -> Operator | None:
    key = keys.storage_key(request.app.state.tenantry.settings.home)
    password, code = str(fields.get("password", "")), str(fields.get("code", ""))
    return operators.sign_in(key, name, password, code, utc_now())


@router.post("/signout")
def leave(request: Request, who: entry.AnyRank) -> Response:
    """Sign out."""
    with session():
        console_sessions.end(request.cookies.get(entry.COOKIE, ""))
        audit.write(who.actor, origin.address(request), "sign out")
    answer = RedirectResponse("/console/signin", 303)
    entry.dismiss(answer)
    return answer


def _local(text: str) -> str:
    """Return where to go afterwards: a page of the console, never another site."""
    is_ours = re.fullmatch(r"/console/[A-Za-z0-9/_.?=&%+-]*", text) and ".." not in text
    return text if is_ours else "/console/"
