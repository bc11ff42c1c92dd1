"""Pure rules of usage: what a node may say, days and months, when to collect, thresholds."""

from __future__ import annotations
