"""Which claimed tasks share a run: steps of one action on one server, so short that one may wait for the others."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.plan import catalog
from orchestrator.store.claim import Claim


def groups(taken: Sequence[Claim], most: int) -> list[list[Claim]]:
    """Return the claims in groups of at most ``most``, in the order in which they were taken."""
    found: dict[object, list[Claim]] = {}
    for one in taken:
        found.setdefault(_run_of(one), []).append(one)
    return [group[first : first + most] for group in found.values() for first in range(0, len(group), most)]


def _run_of(one: Claim) -> object:
    known = catalog.CATALOG.get(one.action)
    shares = one.server_id and known is not None and known.shares_run
    return (one.server_id, one.action) if shares else one.task_id
