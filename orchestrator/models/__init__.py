"""The tables, as Peewee models. The schema itself is made by orchestrator/migrations."""

from __future__ import annotations
