"""Leaving a certificate alone after its validation has failed again and again, and trying it again without a stampede."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.plan.certificates.view import Certificate, Policy

_LONGEST = timedelta(hours=168)
_DOUBLINGS = 8  # of an hour, the shortest freeze there is, are more than a week
_FLOOR = timedelta(hours=6)  # a certificate about to expire is not tried more often than that
_ABANDONED = timedelta(days=14)  # after expiry: once a week
_FIRST = (5, 10, 30, 100)  # minutes after each failure, before there is a certificate
_RENEWAL = (1, 10, 100, 1440)  # and while the old one still works: the ladder that Let's Encrypt recommends
_THAWS_A_DAY = 3
_DAY = timedelta(hours=24)
_MANUAL_PAUSE, _MANUAL_AN_HOUR = timedelta(seconds=120), 3


def pause(certificate: Certificate, failures: int) -> timedelta:
    """Return how long to wait after the ``failures``th validation in a row has failed, below the freeze."""
    ladder = _RENEWAL if certificate.is_live else _FIRST
    return timedelta(minutes=ladder[min(max(failures, 1), len(ladder)) - 1])


def length(certificate: Certificate, policy: Policy, now: datetime) -> timedelta:
    """Return how long the next freeze lasts: twice the one before, less when the certificate in use runs out."""
    doubled = policy.freeze * 2.0 ** min(certificate.freeze_level, _DOUBLINGS)
    frozen = min(doubled, max(_LONGEST, policy.freeze))
    if certificate.leaf is None:
        return frozen
    remaining = certificate.leaf.remaining(now)
    if remaining < -_ABANDONED:
        return _LONGEST
    return min(frozen, max(_FLOOR, remaining / 6))


def thaws_early(certificate: Certificate, fingerprint: str, now: datetime) -> bool:
    """True when the names lead elsewhere than at the last failure, and that has not happened too often today."""
    if not certificate.fingerprint or fingerprint == certificate.fingerprint:
        return False
    return len([one for one in certificate.thaws if now - one < _DAY]) < _THAWS_A_DAY


def is_by_hand(certificate: Certificate, now: datetime) -> bool:
    """True while an order that a person has asked for may still be on its way."""
    return any(now - one < timedelta(hours=1) for one in certificate.manual)


def manual_wait(certificate: Certificate, now: datetime) -> datetime | None:
    """Return until when an order by hand has to wait, None when it may be made now: it passes a freeze, not a flood."""
    recent = sorted(one for one in certificate.manual if now - one < timedelta(hours=1))
    if len(recent) >= _MANUAL_AN_HOUR:
        return recent[-_MANUAL_AN_HOUR] + timedelta(hours=1)
    if recent and now - recent[-1] < _MANUAL_PAUSE:
        return recent[-1] + _MANUAL_PAUSE
    return None
