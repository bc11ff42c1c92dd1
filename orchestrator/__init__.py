"""Tenantry: rows in a database become hosting accounts on real machines."""

from __future__ import annotations

__version__ = "0.1.0"
