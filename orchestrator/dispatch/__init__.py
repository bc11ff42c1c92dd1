"""From a claimed task to a recorded outcome."""

from __future__ import annotations
