"""Secrets that another program wrote in clear into a request that was refused: they do not stay in its row."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.sealed import looks_sealed
from orchestrator.models.task import Task
from orchestrator.store.database import transaction
from orchestrator.store.tasks import parse_params

WITHHELD = "(withheld: a secret in clear)"
_WORDS = ("password", "secret", "private_key", "passphrase")


def withhold(task_id: int) -> None:
    """Replace what is named like a secret and is not sealed in the parameters of a task."""

    def work() -> None:
        row = Task.get_by_id(task_id)
        try:
            params = parse_params(row.params)
        except InvalidInput:  # no JSON: nobody can tell what of it is a secret
            return
        cleaned = _cleaned(params)
        if cleaned != params:
            Task.update(params=json.dumps(cleaned)).where(Task.id == task_id).execute()

    transaction(work)


def _cleaned(value: Any, is_secret: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(one, is_secret or _names_secret(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, is_secret) for one in value]
    return WITHHELD if is_secret and value not in (None, "") and not looks_sealed(value) else value


def _names_secret(key: str) -> bool:
    return any(word in key.lower() for word in _WORDS)
