"""Style sheets and scripts: part of the package, read once, served under an address that changes with their content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

from fastapi import APIRouter, HTTPException, Response

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
router = APIRouter(include_in_schema=False)


@lru_cache(maxsize=1)
def _all() -> dict[str, tuple[bytes, str]]:
    """Return {name: (content, digest)} of every asset."""
    root = resources.files("orchestrator.web") / "assets"
    found = {}
    for folder in (root, root / "vendor"):
        for entry in folder.iterdir():
            if entry.is_file() and entry.name.rsplit(".")[-1] in _KINDS:
                content = entry.read_bytes()
                found[entry.name] = (content, hashlib.sha256(content).hexdigest()[:16])
    return found


def address(name: str) -> str:
    """Return where an asset is served; a name that there is not is a mistake in a template."""
    return f"/assets/{_all()[name][1]}/{name}"


@router.get("/assets/{digest}/{name}")
def asset(digest: str, name: str) -> Response:
    """Return an asset; its address names its content, so a browser may keep it for ever."""
    content, known = _all().get(name, (b"", ""))
    if digest != known:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=_KINDS[name.rsplit(".")[-1]], headers=headers)
