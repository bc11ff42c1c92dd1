"""Whether a request that changes something was sent by a page of ours (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/)."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

_OURS = frozenset({"same-origin", "none"})  # none: typed by a person, or no browser at all


def same(request: Request) -> None:
    """Refuse what another site's page has sent; a second wall behind the secret that every form holds."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    if site not in _OURS or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise HTTPException(403, "this was sent from another site")


def address(request: Request) -> str:
    """Return the address of who asks, as the socket (or the proxy that uvicorn trusts) tells it."""
    return request.client.host if request.client else ""
