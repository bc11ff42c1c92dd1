"""What a playbook reads: the job as JSON, refused when ansible would take a part of it for something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown

CANARY = "{{ 1+1 }}"  # the playbooks check that it is still nine characters long: job values are never templates
_RESERVED = "__ansible"  # such a key makes ansible's JSON reader build a type, or give up
_CHARACTERS = 4_000_000


def document(job: Mapping[str, Any]) -> str:
    """Return the job as JSON; InvalidInput says why no playbook can read it."""
    try:
        text = json.dumps({**job, "canary": CANARY}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("job", f"cannot be written as JSON ({type(error).__name__})", "correct the values") from None
    if len(text) > _CHARACTERS:
        raise InvalidInput("job", f"has {len(text)} characters", f"use at most {_CHARACTERS}")
    rest: list[Any] = [job]
    while rest:
        value = rest.pop()
        if isinstance(value, Mapping):
            _check_names(value)
            rest += value.values()
        elif isinstance(value, list | tuple):
            rest += value
    return text


def _check_names(value: Mapping[Any, Any]) -> None:
    for name in value:
        if str(name).startswith(_RESERVED):
            raise InvalidInput("job", f"the key {shown(str(name))} is reserved", "choose another name")
