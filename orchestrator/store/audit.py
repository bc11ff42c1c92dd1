"""What people did in the console and customers on their page."""

from __future__ import annotations

from orchestrator.core.clock import utc_now
from orchestrator.models.operator import ConsoleAudit
from orchestrator.store.database import transaction


def write(actor: str, address: str, action: str, target: str = "", detail: str = "") -> None:
    """Write down who did what to which; ``detail`` never holds a secret."""
    values = {"actor": actor[:64], "address": address[:45], "action": action[:64], "target": target[:190]}
    transaction(lambda: ConsoleAudit.create(at=utc_now(), **values, detail=detail[:2000]))


def listing(before: int | None, actor: str, limit: int) -> list[ConsoleAudit]:
    """Return entries, the newest first, older than the id ``before``."""
    query = ConsoleAudit.select().order_by(ConsoleAudit.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ConsoleAudit.id < before)
    return list(query.where(ConsoleAudit.actor == actor) if actor else query)
