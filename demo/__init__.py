"""One order from an empty database to a working site, working mail and DNS answers, on the lab's nodes."""

from __future__ import annotations
