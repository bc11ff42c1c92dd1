"""The HTTP API: writes requests, reads the views, shows how it is going."""

from __future__ import annotations
