"""Certificates with their keys: encrypted at rest, the one before kept beside the present one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.core import at_rest
from orchestrator.core.clock import utc_now
from orchestrator.models.certificate import Material

AUTO, PREVIOUS, CUSTOM, PENDING = "auto", "previous", "custom", "pending"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate, its chain and its key, all PEM; the key never shows in a text of it."""

    certificate: str
    chain: str
    private_key: bytes = field(repr=False)
    serial: str = ""


def put(key: bytes, certificate_id: int, kind: str, pair: Pair) -> None:
    """Store a pair inside the caller's transaction; the automatic one before it becomes the previous one."""
    if kind == AUTO:
        _keep_previous(key, certificate_id)
    Material.insert(
        certificate_id=certificate_id,
        kind=kind,
        certificate=pair.certificate,
        chain=pair.chain,
        private_key=at_rest.encrypt(key, pair.private_key, _place(certificate_id, kind)),
        serial=pair.serial,
        created_at=utc_now(),
    ).on_conflict_replace().execute()


def get(key: bytes, certificate_id: int, kind: str) -> Pair | None:
    """Return a pair, None when there is none; Unavailable when it cannot be opened."""
    row = Material.get_or_none((Material.certificate_id == certificate_id) & (Material.kind == kind))
    if row is None:
        return None
    private = at_rest.decrypt(key, row.private_key, _place(certificate_id, kind))
    return Pair(certificate=row.certificate, chain=row.chain, private_key=private, serial=row.serial)


def certificate_of(certificate_id: int, kind: str) -> str:
    """Return the PEM of a stored certificate, empty when there is none; its key stays where it is."""
    return _column(Material.certificate, certificate_id, kind)


def serial_of(certificate_id: int, kind: str) -> str:
    """Return the serial of a stored certificate, empty when there is none."""
    return _column(Material.serial, certificate_id, kind)


def _column(column: Any, certificate_id: int, kind: str) -> str:
    named = (Material.certificate_id == certificate_id) & (Material.kind == kind)
    row = Material.select(column).where(named).tuples().first()
    return str(row[0]) if row else ""


def remove(certificate_id: int, kind: str) -> bool:
    """Delete a pair; False when there was none."""
    return bool(
        Material.delete().where((Material.certificate_id == certificate_id) & (Material.kind == kind)).execute()
    )


def _keep_previous(key: bytes, certificate_id: int) -> None:
    present = get(key, certificate_id, AUTO)
    if present is not None:
        put(key, certificate_id, PREVIOUS, present)


def _place(certificate_id: int, kind: str) -> str:
    return f"certificate:{certificate_id}:{kind}"
