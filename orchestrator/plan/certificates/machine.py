"""The life of a certificate as events: each returns what changes, from a state in which it may happen.

off ⇄ any · fast → normal → issuing → deploy → active → renewing → issuing …
fast, normal, renewing → frozen → issuing (one attempt) · issuing → ca_paused, blocked · any → custom → active, fast
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import IllegalTransition
from orchestrator.plan.certificates import cadence, freeze
from orchestrator.plan.certificates.problems import Problem
from orchestrator.plan.certificates.view import Certificate, Change, Leaf, Policy

LOOKED_AT = frozenset({State.FAST, State.NORMAL, State.RENEWING, State.FROZEN, State.BLOCKED})
_FIRST_LOOK = timedelta(seconds=60)
_DEPLOY_MINUTES = (1, 5, 15, 60)
_STUCK_AFTER = 3  # deploys that failed
_TRANSIENT_MINUTES = (1, 10, 100)  # and then once a day: the ladder that Let's Encrypt recommends
_ALMOST_OVER = 6  # of a certificate in use, from the last sixth on, the ladder's last rung is not taken
_FIRST_QUEUE, _LONGEST_QUEUE = timedelta(minutes=10), timedelta(hours=12)
_DAILY = timedelta(hours=24)


def provisioned(policy: Policy, now: datetime) -> dict[str, Any]:
    """Return the fields of a new certificate: nothing is known, so it is looked at soon and often."""
    first = State.FAST if policy.fast_count else State.NORMAL
    return {
        "state": first,
        "fast_left": policy.fast_count,
        "provisioned_at": now,
        "next_check_at": now + _FIRST_LOOK,
    }


def missed(certificate: Certificate, policy: Policy, now: datetime) -> Change:
    """The names do not lead here (yet): never a failure, only a reason to look again later."""
    _require(certificate, LOOKED_AT, "missed")
    if certificate.state is State.FAST:
        left = certificate.fast_left - 1
        if left > 0:
            return Change(values={"fast_left": left, "next_check_at": now + policy.fast_interval})
        return Change(
            values={
                "state": State.NORMAL,
                "fast_left": 0,
                "next_check_at": cadence.next_look(certificate, policy, now),
            }
        )
    return Change(values={"next_check_at": cadence.next_look(certificate, policy, now)})


def deferred(until: datetime) -> Change:
    """A limit says not yet; nothing is counted."""
    return Change(values={"next_check_at": until})


def may_order(certificate: Certificate, fingerprint: str, now: datetime) -> bool:
    """True when a certificate whose names lead here may be ordered now."""
    if certificate.state is State.FROZEN:
        is_over = certificate.frozen_until is None or certificate.frozen_until <= now
        return is_over or freeze.thaws_early(certificate, fingerprint, now)
    if certificate.state is State.BLOCKED:
        return freeze.thaws_early(certificate, fingerprint, now)
    return certificate.state in (State.FAST, State.NORMAL, State.RENEWING)


def ordered(certificate: Certificate, now: datetime) -> Change:
    """An order is begun; a freeze that ends before its time counts as one of the day's early thaws."""
    _require(certificate, LOOKED_AT, State.ISSUING)
    values: dict[str, Any] = {"state": State.ISSUING, "before": str(certificate.state)}
    is_frozen = certificate.state is State.FROZEN and certificate.frozen_until and certificate.frozen_until > now
    if is_frozen or certificate.state is State.BLOCKED:
        values["thaws"] = (*(one for one in certificate.thaws if now - one < _DAILY), now)
    return Change(values=values)


def issued(certificate: Certificate, leaf: Leaf, now: datetime) -> Change:
    """A certificate has come and is stored; now it has to be served."""
    _require(certificate, {State.ISSUING}, State.DEPLOY)
    values = {"state": State.DEPLOY, "leaf": leaf, "renewal": None, "tries": 0, "next_check_at": now}
    return Change(values=values)


def adopted(certificate: Certificate, leaf: Leaf, now: datetime) -> Change:
    """A certificate that is kept elsewhere, such as a provider's wildcard, is to be served for these names."""
    _require(certificate, LOOKED_AT | {State.ACTIVE}, State.DEPLOY)
    values = {"state": State.DEPLOY, "leaf": leaf, "renewal": None, "tries": 0, "next_check_at": now}
    return Change(values=values)


def installed(certificate: Certificate, policy: Policy, now: datetime) -> Change:
    """Every server shows the new certificate."""
    _require(certificate, {State.DEPLOY, State.ACTIVE}, State.ACTIVE)
    assert certificate.leaf is not None  # noqa: S101 - a certificate is stored before it is deployed
    look = cadence.active_look(certificate, certificate.leaf, policy, now)
    values = {
        "state": State.ACTIVE,
        "failures": 0,
        "tries": 0,
        "freeze_level": 0,
        "frozen_until": None,
        "fingerprint": "",
        "fast_left": 0,
        "before": "",
        "next_check_at": look,
    }
    return Change(values=values, notices=("installed",) if certificate.state is State.DEPLOY else ())


def not_installed(certificate: Certificate, now: datetime) -> Change:
    """A server of ours does not take or show it: the certificate is safe, only the deploy is tried again."""
    _require(certificate, {State.DEPLOY}, State.DEPLOY)
    minutes = _DEPLOY_MINUTES[min(certificate.tries, len(_DEPLOY_MINUTES) - 1)]
    tries = certificate.tries + 1
    notices = ("deploy_stuck",) if tries == _STUCK_AFTER else ()
    return Change(values={"tries": tries, "next_check_at": now + timedelta(minutes=minutes)}, notices=notices)


def looked(certificate: Certificate, policy: Policy, now: datetime) -> Change:
    """A working certificate was looked at: it is due, or it is looked at again later."""
    _require(certificate, {State.ACTIVE}, "looked")
    assert certificate.leaf is not None  # noqa: S101 - only an issued certificate is active
    if cadence.due(certificate, certificate.leaf) <= now:
        return Change(values={"state": State.RENEWING, "tries": 0, "next_check_at": now})
    return Change(values={"next_check_at": cadence.active_look(certificate, certificate.leaf, policy, now)})


def not_served(certificate: Certificate, now: datetime) -> Change:
    """A server shows another certificate than the one in the store: it is deployed again, never ordered again."""
    _require(certificate, {State.ACTIVE}, State.DEPLOY)
    return Change(values={"state": State.DEPLOY, "tries": 0, "next_check_at": now})


def is_fresh(certificate: Certificate, now: datetime) -> bool:
    """True while there is a certificate that is not due."""
    return certificate.leaf is not None and now < cadence.due(certificate, certificate.leaf)


def kept(certificate: Certificate, policy: Policy, now: datetime) -> Change:
    """Other names are wanted but do not lead here: what is served stays as it is until they do, or until it is due."""
    _require(certificate, {State.NORMAL}, State.NORMAL)
    return Change(values={"next_check_at": cadence.next_look(certificate, policy, now)})


def names_changed(certificate: Certificate, names: tuple[str, ...], now: datetime) -> Change:
    """Other names are wanted: they are ordered as soon as they lead here, the old certificate stays meanwhile."""
    values: dict[str, Any] = {"names": names}
    if certificate.state in (State.ACTIVE, State.RENEWING, State.DEPLOY):
        values |= {"state": State.NORMAL, "next_check_at": now}
    elif certificate.state in (State.FROZEN, State.BLOCKED):
        values |= {"state": State.NORMAL, "failures": 0, "freeze_level": 0, "frozen_until": None, "next_check_at": now}
    return Change(values=values)


def failed(certificate: Certificate, problem: Problem, fingerprint: str, policy: Policy, now: datetime) -> Change:
    """An order has led to nothing; only a validation that failed counts towards a freeze."""
    _require(certificate, {State.ISSUING}, "failed")
    back = State(certificate.before or State.NORMAL)
    if problem.trouble is Trouble.VALIDATION:
        return _not_valid(certificate, back, fingerprint, policy, now)
    if problem.trouble is Trouble.PAUSED:
        return Change(values={"state": State.CA_PAUSED, "next_check_at": now + _DAILY}, notices=("ca_paused",))
    if problem.trouble is Trouble.PERMANENT:
        values = {"state": State.BLOCKED, "fingerprint": fingerprint, "next_check_at": now + _DAILY}
        return Change(values=values, notices=("blocked",))
    if problem.trouble is Trouble.ACCOUNT:
        return Change(values={"state": back, "next_check_at": now + policy.normal_interval}, notices=("account",))
    if problem.trouble is Trouble.RATE_LIMITED:
        later = (problem.until or now + policy.normal_interval) + _turn(certificate, now)
    else:
        pause = _pause(certificate, problem.trouble, now)
        later = max(problem.until or now, now + pause) + pause / 5 * _share(certificate)
    return Change(values={"state": back, "tries": certificate.tries + 1, "next_check_at": later})


def _pause(certificate: Certificate, trouble: Trouble, now: datetime) -> timedelta:
    """Return how long to wait after an order came to nothing through no fault of its names."""
    if certificate.tries < len(_TRANSIENT_MINUTES):
        return timedelta(minutes=_TRANSIENT_MINUTES[certificate.tries])
    leaf = certificate.leaf
    has_time = leaf is not None and leaf.remaining(now) > leaf.lifetime / _ALMOST_OVER
    return _DAILY if trouble is Trouble.TRANSIENT and has_time else timedelta(minutes=_TRANSIENT_MINUTES[-1])


def _turn(certificate: Certificate, now: datetime) -> timedelta:
    """Return how long after a limit is over it is this certificate's turn.

    Many may wait for the same token: each time in vain they spread over twice the time, so that thousands do not all come back
    for every single one.
    """
    queue = min(_FIRST_QUEUE * (1 << min(certificate.tries, 7)), _LONGEST_QUEUE)
    if certificate.leaf is not None:
        queue = min(queue, max(certificate.leaf.remaining(now) / 20, _FIRST_QUEUE))
    waited: timedelta = queue * _share(certificate)
    return waited


def _share(certificate: Certificate) -> float:
    return cadence.spread(certificate.id, f"try {certificate.tries}:")


def _not_valid(certificate: Certificate, back: State, fingerprint: str, policy: Policy, now: datetime) -> Change:
    failures = certificate.failures + 1
    values: dict[str, Any] = {"failures": failures, "fingerprint": fingerprint}
    if failures < policy.freeze_after:
        live_back = State.NORMAL if back is State.FAST else back
        later = now + freeze.pause(certificate, failures)
        return Change(values={**values, "state": live_back, "fast_left": 0, "next_check_at": later})
    until = now + freeze.length(certificate, policy, now)
    values |= {"freeze_level": certificate.freeze_level + 1, "frozen_until": until}
    look = min(until, cadence.next_look(certificate, policy, now))
    return Change(values={**values, "state": State.FROZEN, "next_check_at": look}, notices=("frozen",))


def lost(certificate: Certificate, now: datetime) -> Change:
    """The order's own steps have ended without a result: it is taken up again, the CA's order with it."""
    _require(certificate, {State.ISSUING}, "lost")
    return Change(values={"state": State(certificate.before or State.NORMAL), "next_check_at": now})


def asked_by_hand(certificate: Certificate, now: datetime) -> Change:
    """A person wants it now: passes a freeze, a pause and a block, never a limit of the CA."""
    _require(certificate, LOOKED_AT | {State.ACTIVE, State.CA_PAUSED}, State.NORMAL)
    state = State.RENEWING if certificate.is_live else State.NORMAL
    recent = tuple(one for one in certificate.manual if now - one < timedelta(hours=1))
    values = {"state": state, "frozen_until": None, "tries": 0, "manual": (*recent, now), "next_check_at": now}
    return Change(values=values)


def customised(certificate: Certificate) -> Change:
    """The customer's own certificate takes over; what was automatic waits in the store."""
    if certificate.state is State.CUSTOM:
        return Change()
    return Change(values={"state": State.CUSTOM, "before": "", "tries": 0})


def custom_removed(certificate: Certificate, policy: Policy, now: datetime) -> Change:
    """Back to the automatic certificate if it is still valid, else from the beginning."""
    _require(certificate, {State.CUSTOM}, State.ACTIVE)
    if certificate.leaf is not None and certificate.leaf.not_after > now:
        return Change(values={"state": State.DEPLOY, "tries": 0, "next_check_at": now})
    return Change(values={**provisioned(policy, now), "next_check_at": now})


def suspended(certificate: Certificate) -> Change:
    """Nothing is looked at while the service is suspended; a custom certificate stays what it is."""
    if certificate.state in (State.OFF, State.CUSTOM):
        return Change()
    before = certificate.before if certificate.state is State.ISSUING else str(certificate.state)
    return Change(values={"state": State.OFF, "before": before or str(State.NORMAL)})


def unsuspended(certificate: Certificate, now: datetime) -> Change:
    """What was before, looked at at once: time has passed."""
    if certificate.state is not State.OFF:
        return Change()
    state = State(certificate.before or State.NORMAL)
    if state is State.ISSUING:
        state = State.NORMAL
    return Change(values={"state": state, "before": "", "next_check_at": now})


def _require(certificate: Certificate, states: frozenset[State] | set[State], wanted: str) -> None:
    if certificate.state not in states:
        raise IllegalTransition(f"certificate {certificate.id}", str(certificate.state), str(wanted))
