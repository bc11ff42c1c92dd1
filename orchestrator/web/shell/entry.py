"""Who is signed in, and whether he may: every route of the console depends on one of these, the sign-in page alone does not."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response
from starlette.datastructures import FormData

from orchestrator.core.clock import utc_now
from orchestrator.core.operators import Rank
from orchestrator.store import console_sessions
from orchestrator.store.console_sessions import Person
from orchestrator.store.database import session
from orchestrator.web.shell import origin

COOKIE = "tenantry_session"
_SAID = "tenantry_said"
_SAID_SECONDS = 30
_FIELDS = 1200  # a page of tasks to be ticked, and more


class NotSignedIn(Exception):
    """Nobody, or nobody any more."""


async def fields(request: Request) -> FormData:
    """Return the form that was sent."""
    return await request.form(max_files=3, max_fields=_FIELDS, max_part_size=2**18)


Fields = Annotated[FormData, Depends(fields)]


def person(request: Request) -> Person:
    """Return who asks; what a page asks by itself (``X-Auto``) keeps nobody signed in."""
    with session():
        found = console_sessions.find(_secret(request), utc_now(), is_person="x-auto" not in request.headers)
    if found is None:
        raise NotSignedIn
    return found


Reader = Annotated[Person, Depends(person)]


def allowed(rank: Rank) -> Callable[[Request, Person, FormData], Person]:
    """Return what a route that changes something depends on: rank, the form's token, and a page of ours that sent it."""

    def check(request: Request, who: Reader, sent: Fields) -> Person:
        origin.same(request)
        given = request.headers.get("x-csrf-token") or str(sent.get("csrf", ""))
        if not hmac.compare_digest(given.encode(), token(request).encode()):
            raise HTTPException(
                403, "the page was open for too long, or the request came from elsewhere; load it again"
            )
        if not who.rank.may(rank):
            raise HTTPException(403, f"the role {who.rank} may not do this; it takes {rank}")
        return who

    return check


Support = Annotated[Person, Depends(allowed(Rank.SUPPORT))]
Admin = Annotated[Person, Depends(allowed(Rank.ADMIN))]
AnyRank = Annotated[Person, Depends(allowed(Rank.READ_ONLY))]


def _secret(request: Request) -> str:
    return request.cookies.get(COOKIE, "")


def token(request: Request) -> str:
    """Return the token of the session's forms: derived from the browser's secret, so nothing more is stored."""
    return _mac(request, b"csrf")


def _mac(request: Request, text: bytes) -> str:
    return hmac.new(_secret(request).encode("utf-8", "surrogateescape"), text, hashlib.sha256).hexdigest()


def admit(response: Response, secret: str) -> None:
    """Give the browser its secret: to no script, over nothing but TLS or loopback, with no request of another site."""
    response.set_cookie(COOKIE, secret, path="/console", secure=True, httponly=True, samesite="strict")


def dismiss(response: Response) -> None:
    """Take the secret away."""
    response.delete_cookie(COOKIE, path="/console", secure=True, httponly=True, samesite="strict")


def say(request: Request, response: Response, text: str, is_bad: bool = False) -> None:
    """Let the next page show a message, once. It carries the session's mark, so nobody else can put words there."""
    body = base64.urlsafe_b64encode(f"{'!' if is_bad else '.'}{text[:1500]}".encode()).decode()
    value = f"{body}.{_mac(request, body.encode())}"
    response.set_cookie(
        _SAID, value, max_age=_SAID_SECONDS, path="/console", secure=True, httponly=True, samesite="strict"
    )


def said(request: Request) -> tuple[str, bool]:
    """Return the message of the last action and whether it is a bad one."""
    body, _, mark = request.cookies.get(_SAID, "").partition(".")
    if not body or not hmac.compare_digest(mark.encode(), _mac(request, body.encode()).encode()):
        return "", False
    try:
        text = base64.urlsafe_b64decode(body).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return "", False
    return text[1:], text.startswith("!")


def unsay(request: Request, response: Response) -> None:
    """Forget the message that was shown."""
    if _SAID in request.cookies:
        response.delete_cookie(_SAID, path="/console", secure=True, httponly=True, samesite="strict")
