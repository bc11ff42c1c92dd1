"""How an intent is carried out: ``prepare`` does what needs no row; what it returns runs in the transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from orchestrator.plan.certificates.chain import Trust

Apply = Callable[[], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A task row that asks for a change of a service."""

    task_id: int
    action: str
    service_id: int | None
    server_id: int | None
    params: Mapping[str, Any]
    requested_by: str
    priority: int


@dataclass(frozen=True, kw_only=True)
class Context:
    """What intents need beside the database."""

    private_key: Callable[[], RSAPrivateKey]  # of the sealing key; read when a secret arrives
    storage_key: Callable[[], bytes]  # for secrets in the database
    trust: Callable[[], Trust]  # the roots that a customer's own certificate has to end at


Prepare = Callable[[Intent, Context], Apply]
