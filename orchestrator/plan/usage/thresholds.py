"""When a service's owner is told that a limit is near or exceeded: once, until the figure has clearly fallen again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.plan import limits

_MIB = 1024 * 1024
_BACK = 5  # percent below a threshold that a figure has to fall before the next rise is told
# figure -> (limit of the package, units of the figure in one of the limit)
_LIMITED: Mapping[str, tuple[str, int]] = {
    "web_disk": ("web_disk_mb", _MIB),
    "mail_disk": ("mail_disk_mb", _MIB),
    "bandwidth": ("bandwidth_mb", _MIB),
    "mailboxes": ("mailboxes", 1),
}
OK, NEAR, EXCEEDED = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Use:
    """A figure and its limit, in the same unit."""

    subject: str  # the metric, or "mailbox:ADDRESS"
    value: int
    limit: int


def uses(figures: Mapping[str, int], service_limits: Mapping[str, Any]) -> list[Use]:
    """Return every figure that has a limit; a limit of 0 is none."""
    found = []
    for metric, (name, factor) in _LIMITED.items():
        limit = limits.of(service_limits, name) * factor
        if limit and metric in figures:
            found.append(Use(subject=metric, value=figures[metric], limit=limit))
    return found


def mailbox_use(address: str, size: int, quota_mb: int) -> Use | None:
    """Return the use of one mailbox, None when it has no quota of its own."""
    return Use(subject=f"mailbox:{address}", value=size, limit=quota_mb * _MIB) if quota_mb else None


def level(use: Use, before: int, warn_percent: int) -> int:
    """Return the level of a use that was at ``before``: it rises at once and falls when the figure is clearly below."""
    now = _level(use, warn_percent, 0)
    return now if now >= before else max(now, min(_level(use, warn_percent, _BACK), before))


def _level(use: Use, warn_percent: int, slack: int) -> int:
    share = use.value * 100
    if share > use.limit * (100 - slack):
        return EXCEEDED
    return NEAR if share >= use.limit * (warn_percent - slack) else OK
