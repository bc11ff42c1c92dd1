"""The installation's key: checked once, and never an old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import keys
from orchestrator.core.errors import Unavailable


def test_a_key_that_was_replaced_is_seen_at_once(tmp_path: Path) -> None:
    keys.ensure_private_key(tmp_path)
    first = keys.storage_key(tmp_path)
    assert keys.storage_key(tmp_path) == first != keys.link_key(tmp_path)
    (tmp_path / "sealing.pem").unlink()
    with pytest.raises(Unavailable, match="tenantry init"):
        keys.storage_key(tmp_path)
    keys.ensure_private_key(tmp_path)
    assert keys.storage_key(tmp_path) != first
