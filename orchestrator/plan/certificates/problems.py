"""What a CA's problem document (RFC 8555 section 6.7, RFC 7807) means for what we do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.core.certificates import Trouble
from orchestrator.plan.certificates.buckets import DOMAIN, FAILURES, ORDERS, SET

_PREFIX = "urn:ietf:params:acme:error:"
_KINDS: Mapping[str, Trouble] = {
    **dict.fromkeys(("connection", "unauthorized", "dns", "tls", "incorrectResponse"), Trouble.VALIDATION),
    **dict.fromkeys(("caa",), Trouble.VALIDATION),
    **dict.fromkeys(("rejectedIdentifier", "unsupportedIdentifier", "badCSR", "malformed"), Trouble.PERMANENT),
    **dict.fromkeys(("accountDoesNotExist", "userActionRequired", "externalAccountRequired"), Trouble.ACCOUNT),
    **dict.fromkeys(("serverInternal", "badNonce", "orderNotReady"), Trouble.TRANSIENT),
    "alreadyReplaced": Trouble.REPLACED,
    "rateLimited": Trouble.RATE_LIMITED,
}
# Let's Encrypt names the limit by the anchor of the page that explains it.
_ANCHORS = {
    "new-orders-per-account": ORDERS,
    "new-certificates-per-registered-domain": DOMAIN,
    "new-certificates-per-exact-set": SET,
    "authorization-failures-per-identifier": FAILURES,
}
_UNTIL = re.compile(r"retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)", re.IGNORECASE)
_UNPAUSE = re.compile(r"https://\S*/unpause\S*")
_DEACTIVATED = re.compile(r"account.{0,80}(deactivated|revoked|not valid|does not exist)", re.IGNORECASE)
_DEFAULT_PAUSE = timedelta(hours=1)
_LONGEST_PAUSE = timedelta(days=8)  # the longest window of a limit is seven days
_DETAIL = 1000  # characters kept


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why an exchange with the CA led to nothing."""

    trouble: Trouble
    kind: str  # the last word of the problem's type, or a word of ours
    detail: str  # in plain words, as the CA says it
    until: datetime | None = None  # not before
    bucket: str = ""  # kind of the bucket that the CA has found empty; empty: all of the account waits
    link: str = ""  # where a person can put it right


def of_document(document: Mapping[str, Any], status: int, retry_after: str | None, now: datetime) -> Problem:
    """Return what a problem document means; ``status`` is that of HTTP, ``retry_after`` the header's value.

    A document without a known type is judged by its status: 5xx and 429 pass, anything else is for good.
    """
    kind = str(document.get("type") or "").removeprefix(_PREFIX)[:64]
    detail = _told(document)
    if kind == "unauthorized" and status == 403 and _DEACTIVATED.search(detail):
        kind = "accountDoesNotExist"
    trouble = _KINDS.get(kind) or _by_status(status)
    until = wait_until(retry_after, detail, now)
    link = _UNPAUSE.search(detail)
    if trouble is Trouble.RATE_LIMITED and link:
        return Problem(trouble=Trouble.PAUSED, kind=kind, detail=detail, link=link.group().rstrip(".,)"))
    if trouble is Trouble.RATE_LIMITED:
        bucket = next((name for anchor, name in _ANCHORS.items() if anchor in detail), "")
        return Problem(trouble=trouble, kind=kind, detail=detail, until=until or now + _DEFAULT_PAUSE, bucket=bucket)
    return Problem(trouble=trouble, kind=kind or f"status {status}", detail=detail, until=until)


def _by_status(status: int) -> Trouble:
    if status == 429:
        return Trouble.RATE_LIMITED
    return Trouble.TRANSIENT if status >= 500 or status in (0, 408) else Trouble.PERMANENT


def _told(document: Mapping[str, Any]) -> str:
    """Return the detail with those of its subproblems, which name the identifier each."""
    said = [str(document.get("detail") or "")]
    parts = document.get("subproblems")
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, Mapping):
            name = part.get("identifier")
            label = str(name.get("value", "")) if isinstance(name, Mapping) else ""
            said.append(f"{label}: {part.get('detail', '')}" if label else str(part.get("detail", "")))
    text = "; ".join(one for one in said if one)
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_DETAIL]


def wait_until(header: str | None, detail: str, now: datetime) -> datetime | None:
    """Return not before when to come back: the Retry-After header (RFC 9110 section 10.2.3), else what the text says."""
    told = _header(header, now)
    if told is not None:
        return min(told, now + _LONGEST_PAUSE)
    return _text(detail)


def _header(header: str | None, now: datetime) -> datetime | None:
    if not header:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return now + timedelta(seconds=int(header))
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(detail: str) -> datetime | None:
    found = _UNTIL.search(detail)
    if not found:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00")
    except ValueError:
        return None
