"""Connects what servers report with the rows: the jobs of a collection, and what becomes of its result."""

from __future__ import annotations
