"""When to do what. Jobs only enqueue, wake or tidy; the work itself is done by the dispatcher."""

from __future__ import annotations
