"""Pages from templates. Everything that comes from a row is escaped; an unknown name is an error, never an empty place."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator import __version__
from orchestrator.core.clock import utc_now
from orchestrator.web.shell import assets, formats

_environment = Environment(
    loader=PackageLoader("orchestrator.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.filters |= {
    "exact": formats.exact,
    "figure": formats.figure,
    "number": formats.number,
    "size": formats.size,
}
_environment.globals |= {
    "asset": assets.address,
    "relative": lambda moment: formats.relative(moment, utc_now()),
    "took": lambda begun, ended: formats.took(begun, ended, utc_now()),
    "share": formats.share,
    "version": __version__,
}


def render(template: str, /, **values: Any) -> str:
    """Return a template filled in."""
    return _environment.get_template(template).render(**values)


def page(template: str, code: int = 200, /, **values: Any) -> Response:
    """Return a template filled in as an answer with this HTTP status."""
    return HTMLResponse(render(template, **values), code)
