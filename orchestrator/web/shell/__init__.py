"""What pages have in common: templates, assets, headers, who is signed in."""

from __future__ import annotations
