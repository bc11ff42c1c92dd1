"""What an intent means: validated input becomes rows and a graph of steps, in one transaction."""

from __future__ import annotations
