"""The page of a customer, opened by a signed link."""

from __future__ import annotations
