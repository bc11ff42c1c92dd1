"""Deployment settings (environment) and operator knobs (database)."""

from __future__ import annotations
