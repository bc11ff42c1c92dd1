"""Templates of playbooks and roles, compiled before the fork: a fork only evaluates them.

Every value of a task is a template to ansible, and to compile one takes longer than to evaluate it. What is kept is code
alone, by the very text it was made of; whether a value may be a template at all is still decided each time, before it gets here.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from ansible._internal._templating._engine import TemplateEngine, TemplateOptions
from ansible._internal._templating._jinja_bits import _TemplateCompileContext
from jinja2.environment import Environment


def keep() -> None:
    """Let this process and its forks remember what they compile."""
    Environment.compile = _remembering(Environment.compile)  # type: ignore[method-assign]


def _remembering(compile_: Any) -> Any:
    codes: dict[Any, Any] = {}

    @functools.wraps(compile_)
    def compile_once(self: Environment, source: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(source, str) or arguments or options or self.overlayed:
            return compile_(self, source, *arguments, **options)
        key = (type(self), str.__str__(source), _escapes_backslashes())
        if key not in codes:
            codes[key] = compile_(self, source)
        return codes[key]

    return compile_once


def _escapes_backslashes() -> bool:
    """The one thing beside the text on which the code depends."""
    context = _TemplateCompileContext.current(optional=True)
    return bool(context and context.escape_backslashes)


def compile_all(parsed: Any) -> int:
    """Compile every template in what the files of playbooks and roles hold; return how many there are."""
    engine, found = TemplateEngine(), set(_templates(parsed))
    for text in found:
        with contextlib.suppress(Exception):  # one that is broken is so for whoever uses it, and is told there
            engine._compile_template(text, TemplateOptions.DEFAULT)
    return len(found)


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _templates(inner)
