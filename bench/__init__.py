"""Measurements: what the queue and the deploy chain cost."""

from __future__ import annotations
