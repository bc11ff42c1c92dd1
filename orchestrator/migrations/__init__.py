"""Numbered forward migrations: NNNN_name.sql, with ${placeholders} for the words in which the databases differ."""

from __future__ import annotations
