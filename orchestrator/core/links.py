"""Links that open one service's page until a moment: a number, the moment, and an HMAC-SHA256 (RFC 2104) over both.

Whoever has the link has what it opens, so it is short-lived and nothing of it is stored. The secret that makes it stays with
the orchestrator.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime

_FORM = re.compile(r"([1-9][0-9]{0,8})\.([0-9]{10})\.([A-Za-z0-9_-]{43})")


def sign(key: bytes, service_id: int, until: datetime) -> str:
    """Return the link's word: ``SERVICE.SECONDS.SIGNATURE``, seconds since 1970 in UTC."""
    seconds = int(until.timestamp())
    return f"{service_id}.{seconds}.{_signature(key, service_id, seconds)}"


def opened(key: bytes, word: str, now: datetime) -> int | None:
    """Return the service that a link opens; None when it is forged, damaged or over."""
    match = _FORM.fullmatch(word)
    if match is None:
        return None
    service_id, seconds = int(match[1]), int(match[2])
    is_ours = hmac.compare_digest(_signature(key, service_id, seconds), match[3])
    return service_id if is_ours and now < datetime.fromtimestamp(seconds, UTC) else None


def _signature(key: bytes, service_id: int, seconds: int) -> str:
    found = hmac.new(key, f"{service_id}.{seconds}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()
