"""One POST with a deadline for the whole of it and a limit for the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests

from orchestrator.core.errors import TenantryError, Unavailable

_ANSWER_BYTES = 2**20
_CONNECT_SECONDS = 5.0


class Refused(TenantryError):
    """The other side answers and does not want this one notice; others may go through."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status and body of an HTTP answer."""

    status: int
    body: bytes


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
    """Send ``body``; Unavailable when no whole answer of at most 1 MB came within ``seconds``. No redirect is followed."""
    deadline = time.monotonic() + seconds
    try:
        with (
            requests.Session() as client,
            client.post(
                url,
                data=body,
                headers=dict(headers),
                timeout=(min(_CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            return Answer(status=answer.status_code, body=_read(answer, deadline))
    except requests.RequestException as error:
        # The error's own text may hold the address with what is in it.
        raise Unavailable(f"no answer ({type(error).__name__})") from None


def _read(answer: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(8192):
        body += chunk
        if len(body) > _ANSWER_BYTES:
            raise Unavailable("the answer is too long")
        if time.monotonic() > deadline:
            raise Unavailable("the answer takes too long")
    return bytes(body)
