"""What every page tells the browser: run and load nothing but ours, show it in no frame, keep nothing, tell nobody where from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # none at all would hide from ourselves where a form comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """Adds the headers to every answer of an application, errors too; a header that is there already stays."""

    def __init__(self, app: Asgi) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete its answer."""

        async def completed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"])
            await send(message)

        await self.app(scope, receive, completed if scope["type"] == "http" else send)


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    wanted = {**_ALWAYS, "Content-Security-Policy": policy(""), "Cache-Control": "no-store"}
    if b"content-security-policy" not in present:  # whoever sets one of its own says where it may be framed
        wanted["X-Frame-Options"] = "DENY"
    missing = {name: value for name, value in wanted.items() if name.lower().encode() not in present}
    return [*headers, *((name.lower().encode(), value.encode()) for name, value in missing.items())]


def policy(frames: str) -> str:
    """Return the Content-Security-Policy (W3C CSP 3); ``frames`` is the origin that may show the page, empty: none."""
    return _POLICY.format(frames=frames or "'none'")
