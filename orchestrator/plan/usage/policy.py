"""What follows when a service stays over a limit: its package says whether it is only told or its web account suspended."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.plan.limits import NOTIFY, OVER_LIMIT, SUSPEND_WEB
from orchestrator.plan.usage.thresholds import EXCEEDED

# What a web account uses up for others. Mailboxes are bounded by Dovecot's own quota, whatever the website does.
_OF_WEB = ("web_disk", "bandwidth")


def held_for(limits: Mapping[str, object], levels: Mapping[str, int]) -> tuple[str, ...]:
    """Return the metrics for which the web account is to be suspended, of the levels that have been told.

    Levels fall late (``thresholds.level``), so a figure that swings around its limit does not switch a website on and off.
    """
    if limits.get(OVER_LIMIT, NOTIFY) != SUSPEND_WEB:
        return ()
    return tuple(metric for metric in _OF_WEB if levels.get(metric, 0) >= EXCEEDED)
