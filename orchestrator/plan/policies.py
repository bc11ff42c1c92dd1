"""What a group says about suspended services: one registry for the command line, validation and documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.plan import pages
from orchestrator.plan.snapshot import Suspension

CHOICES: Mapping[str, tuple[str, ...]] = {
    "suspended_mail": ("defer", "accept", "reject"),
    "suspended_dns": ("keep", "withdraw"),
}
RETRY_AFTER, PAGE = "suspended_retry_after", "suspended_page"
NAMES = (*CHOICES, RETRY_AFTER, PAGE)
_RETRY_BOUNDS = (60, 2_592_000)  # seconds: a minute to 30 days


def checked(name: str, text: str) -> Any:
    """Return the value of a group's setting; InvalidInput says what is allowed. An empty text means the default."""
    if name not in NAMES:
        raise InvalidInput("setting", f"{name[:40]!r} is not known", f"use one of {', '.join(NAMES)}")
    if name == PAGE:
        return pages.checked(text)
    if name == RETRY_AFTER:
        return _seconds(text)
    if text and text not in CHOICES[name]:
        raise InvalidInput(name, f"{text[:40]!r} is not known", f"use one of {', '.join(CHOICES[name])}")
    return text


def _seconds(text: str) -> int | str:
    low, high = _RETRY_BOUNDS
    if text and (not re.fullmatch("[0-9]{1,7}", text) or not low <= int(text) <= high):
        raise InvalidInput(RETRY_AFTER, f"{text[:20]!r} is out of range", f"give {low} to {high} seconds")
    return int(text) if text else ""


def suspension(settings: Mapping[str, Any]) -> Suspension:
    """Return a group's policy; what it does not say is the default, which loses nothing."""
    default = Suspension()
    return Suspension(
        page=str(settings.get(PAGE) or default.page),
        retry_after=int(settings.get(RETRY_AFTER) or default.retry_after),
        mail=str(settings.get("suspended_mail") or default.mail),
        dns=str(settings.get("suspended_dns") or default.dns),
    )
