"""What a customer's page is made of: regions, each rendered from rows and sent again when it has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.models.task import Operation
from orchestrator.plan import stages
from orchestrator.plan.stages import Stage
from orchestrator.store import customer
from orchestrator.web.shell.templates import render

REGIONS = ("progress", "figures", "certificates", "upload")
_SHOWN = ("progress", "failed")  # stages in which the steps are the page


def look(service_id: int) -> dict[str, Any]:
    """Return everything that the templates need."""
    now, row = utc_now(), customer.service(service_id)
    is_ordered = customer.is_ordered(service_id)
    stage = stages.stage(row.status if row else None, is_ordered)
    found = customer.operation(service_id) if row else None
    steps = _steps(found, stage, now)
    return {
        "service": row,
        "stage": stage,
        "is_ordered": is_ordered,
        "steps": steps,
        "done": sum(step["status"] == "done" for step in steps),
        "is_moving": is_ordered or stage.kind in ("progress", "unknown") or any(map(_is_open, steps)),
        "gauges": customer.gauges(row, now) if row else [],
        "certificates": [_certificate(one) for one in customer.certificates(service_id)] if row else [],
    }


def _steps(found: tuple[Operation, list[dict[str, Any]]] | None, stage: Stage, now: datetime) -> list[dict[str, Any]]:
    """Return the steps while they matter: of an account that rests in its state, only those of a change under way."""
    if found is None or (stage.kind not in _SHOWN and found[0].status != "running"):
        return []
    titles = [step["title"] for step in found[1]]
    seen: Counter[str] = Counter()
    for step in found[1]:
        seen[step["title"]] += 1
        if titles.count(step["title"]) > 1:  # one of each for every server that answers for the domain
            step["title"] += f" · {seen[step['title']]}"
        step["words"] = stages.step(step["status"], step["attempts"], step["unreachable"], step["run_after"], now)
    return found[1]


def _is_open(step: Mapping[str, Any]) -> bool:
    return step["status"] in ("waiting", "queued", "running")


def _certificate(row: dict[str, Any]) -> dict[str, Any]:
    word, text = stages.certificate(row["state"])
    return {**row, "word": word, "text": text}


def regions(found: Mapping[str, Any], base: str) -> dict[str, dict[str, str]]:
    """Return the regions as HTML, each with a digest by which the browser knows what it shows already."""
    texts = {name: render(f"customer/{name}.html", base=base, **found) for name in REGIONS}
    return {name: {"digest": sha256(text.encode()).hexdigest()[:16], "html": text} for name, text in texts.items()}
