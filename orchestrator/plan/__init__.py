"""Pure rules: rows and snapshots in, frozen records out. Nothing here does input or output."""

from __future__ import annotations
