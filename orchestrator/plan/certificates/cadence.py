"""When a certificate is due. No lifetime is assumed: everything is a share of the one that was issued."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from orchestrator.plan.certificates.view import Certificate, Leaf, Policy, RenewalInfo

_SHORT = timedelta(days=10)  # below it the CA's advice is to renew at a half instead of at two thirds
_JITTER = 0.02  # of the lifetime: certificates that were issued together do not come back together
_LAST_MOMENT = 20  # whatever else is said, a twentieth of the lifetime is left for trying
_POLL = timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)  # least, usual and longest pause between polls
_DECAY = ((timedelta(hours=24), 1), (timedelta(days=7), 6))  # time up to which the normal interval is multiplied so
_DECAYED = 24
_DECAYED_LIVE = 6  # while the one in use is valid


def due(certificate: Certificate, leaf: Leaf) -> datetime:
    """Return when a certificate is to be renewed: the instant drawn from the CA's window, else its share of life.

    Shares: Let's Encrypt's integration guide (two thirds; a half below ten days). Never later than a twentieth of the
    lifetime before the end.
    """
    latest = leaf.not_after - leaf.lifetime / _LAST_MOMENT
    if certificate.renewal is not None:
        return min(certificate.renewal.selected, latest)
    share = 1 / 2 if leaf.lifetime < _SHORT else 2 / 3
    return min(leaf.not_before + leaf.lifetime * (share - _JITTER * spread(certificate.id)), latest)


def spread(number: int, salt: str = "") -> float:
    """Return a number in [0, 1) that is always the same for a certificate and evenly spread over many."""
    digest = hashlib.sha256(f"{salt}{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def renewal_info(
    known: RenewalInfo | None, start: datetime, end: datetime, pause: timedelta | None, now: datetime, share: float
) -> RenewalInfo:
    """Return what to keep of the CA's answer (RFC 9773 section 4.2).

    The instant is drawn once for a window and kept as long as the window is the same; ``share`` in [0, 1) is the draw.
    ``pause`` is the answer's Retry-After.
    """
    shortest, usual, longest = _POLL
    next_poll = now + min(max(pause if pause is not None else usual, shortest), longest)
    if known is not None and (known.start, known.end) == (start, end):
        return RenewalInfo(start=start, end=end, selected=known.selected, next_poll=next_poll)
    return RenewalInfo(start=start, end=end, selected=start + (end - start) * share, next_poll=next_poll)


def drawn(
    number: int, known: RenewalInfo | None, start: datetime, end: datetime, pause: timedelta | None, now: datetime
) -> RenewalInfo:
    """Return what to keep of the CA's answer for a certificate: it draws the same instant for the same window, always."""
    is_known = known is not None and (known.start, known.end) == (start, end)
    share = 0.0 if is_known else spread(number, f"{start}{end}")
    return renewal_info(known, start, end, pause, now, share)


def is_in_window(renewal: RenewalInfo | None, now: datetime) -> bool:
    """True when an order with ``replaces`` is exempt from the CA's limits."""
    return renewal is not None and renewal.start <= now < renewal.end


def next_look(certificate: Certificate, policy: Policy, now: datetime) -> datetime:
    """Return when a certificate that has nothing due is looked at again, at an instant of its own."""
    return now + _shifted(_interval(certificate, policy, now), certificate.id)


def _interval(certificate: Certificate, policy: Policy, now: datetime) -> timedelta:
    """Return the pause between looks: it grows with the time that a certificate has been wanted for.

    That is since it was provisioned, since the one in use is due, and since it has ended.
    """
    leaf = certificate.leaf
    if leaf is None:
        return policy.normal_interval * _decayed(now - certificate.provisioned_at)
    if leaf.not_after <= now:
        return policy.normal_interval * _decayed(now - leaf.not_after)
    return policy.normal_interval * min(_decayed(now - due(certificate, leaf)), _DECAYED_LIVE)


def _decayed(age: timedelta) -> int:
    return next((factor for limit, factor in _DECAY if age < limit), _DECAYED)


def _shifted(interval: timedelta, number: int) -> timedelta:
    """Return the interval, up to a tenth more or less."""
    return interval * (0.9 + 0.2 * spread(number, "look"))


def active_look(certificate: Certificate, leaf: Leaf, policy: Policy, now: datetime) -> datetime:
    """Return when a working certificate is looked at next: after its interval, and not after it is due."""
    return min(now + _shifted(policy.active_interval, certificate.id), max(due(certificate, leaf), now))
