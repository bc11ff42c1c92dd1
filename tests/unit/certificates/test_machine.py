"""The life of a certificate, event by event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import IllegalTransition
from orchestrator.plan.certificates import freeze, machine
from orchestrator.plan.certificates.problems import Problem
from orchestrator.plan.certificates.view import Certificate, Change
from tests.unit.certificates.given import DAY, NOW, POLICY, certificate, leaf

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOT_FOUND = Problem(trouble=Trouble.VALIDATION, kind="unauthorized", detail="404")


def after(one: Certificate, change: Change) -> Certificate:
    return replace(one, **change.values)


def fail(
    one: Certificate, now: datetime, problem: Problem = NOT_FOUND, fingerprint: str = "a"
) -> tuple[Certificate, Change]:
    begun = after(one, machine.ordered(one, now))
    change = machine.failed(begun, problem, fingerprint, POLICY, now)
    return after(begun, change), change


def test_a_new_one_is_looked_at_within_a_minute_and_then_every_three() -> None:
    one = certificate(**machine.provisioned(POLICY, NOW))
    assert (one.state, one.next_check_at) == (State.FAST, NOW + MINUTE)
    one = after(one, machine.missed(one, POLICY, NOW + MINUTE))
    assert (one.state, one.next_check_at) == (State.FAST, NOW + 4 * MINUTE)


def test_after_ten_looks_the_fast_mode_ends() -> None:
    one = certificate(**machine.provisioned(POLICY, NOW))
    for _ in range(10):
        assert one.state is State.FAST
        one = after(one, machine.missed(one, POLICY, one.next_check_at))
    assert one.state is State.NORMAL
    assert 0.9 * HOUR <= one.next_check_at - (NOW + 28 * MINUTE) <= 1.1 * HOUR


def test_the_straight_way() -> None:
    one = certificate(State.FAST, fast_left=3)
    one = after(one, machine.ordered(one, NOW))
    one = after(one, machine.issued(one, leaf(), NOW))
    assert (one.state, one.next_check_at) == (State.DEPLOY, NOW)
    one = after(one, machine.installed(one, POLICY, NOW))
    assert (one.state, one.failures, one.fast_left) == (State.ACTIVE, 0, 0)
    later = NOW + 61 * DAY
    one = after(one, machine.looked(one, POLICY, later))
    assert (one.state, one.next_check_at) == (State.RENEWING, later)


def test_only_validations_freeze_and_only_after_five() -> None:
    one = certificate()
    pauses = []
    for _ in range(4):
        one, change = fail(one, NOW)
        pauses.append(one.next_check_at - NOW)
        assert (one.state, change.notices) == (State.NORMAL, ())
    assert pauses == [5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 100 * MINUTE]
    one, change = fail(one, NOW)
    assert (one.state, change.notices, one.frozen_until) == (State.FROZEN, ("frozen",), NOW + DAY)


@pytest.mark.parametrize("trouble", [Trouble.TRANSIENT, Trouble.RATE_LIMITED, Trouble.ACCOUNT, Trouble.REPLACED])
def test_the_fault_of_others_is_not_counted(trouble: Trouble) -> None:
    one = certificate(State.RENEWING, leaf=leaf())
    for _ in range(20):
        one, _ = fail(one, NOW, Problem(trouble=trouble, kind="x", detail="", until=NOW + HOUR))
    assert (one.state, one.failures) == (State.RENEWING, 0)
    assert one.next_check_at >= NOW + HOUR


def test_a_freeze_doubles_to_a_week() -> None:
    one = certificate(failures=4)
    lengths = []
    now = NOW
    for _ in range(6):
        one, _ = fail(one, now)
        assert one.frozen_until is not None
        lengths.append((one.frozen_until - now) / DAY)
        now = one.frozen_until
    assert lengths == [1, 2, 4, 7, 7, 7]


def test_a_freeze_is_shorter_the_nearer_the_end_of_the_one_in_use() -> None:
    live = certificate(State.RENEWING, leaf=leaf(90 * DAY, NOW - 87 * DAY), freeze_level=3)
    assert freeze.length(live, POLICY, NOW) == 0.5 * DAY
    assert freeze.length(live, POLICY, NOW + 2.9 * DAY) == 6 * HOUR
    assert freeze.length(live, POLICY, NOW + 18 * DAY) == 7 * DAY


def test_a_freeze_stays_a_week_however_often_it_has_doubled() -> None:
    assert freeze.length(certificate(failures=900, freeze_level=900), POLICY, NOW) == 7 * DAY


def test_those_who_wait_for_one_limit_come_back_one_after_another() -> None:
    """Each time in vain they spread over twice the time."""
    limit = Problem(trouble=Trouble.RATE_LIMITED, kind="bucket", detail="", until=NOW + HOUR)
    for tries, longest in ((0, 10 * MINUTE), (3, 80 * MINUTE), (20, 12 * HOUR)):
        waits = [fail(certificate(id=one, tries=tries), NOW, limit)[0].next_check_at - NOW - HOUR for one in range(500)]
        assert timedelta(0) <= min(waits) < longest / 50
        assert longest * 0.98 < max(waits) < longest
        assert len({wait // (longest / 10) for wait in waits}) == 10
    urgent = certificate(State.RENEWING, leaf=leaf(90 * DAY, NOW - 89 * DAY), tries=20)
    assert fail(urgent, NOW, limit)[0].next_check_at <= NOW + 2.2 * HOUR


def test_a_ca_that_is_away_is_asked_ever_more_rarely_but_not_at_the_last_moment() -> None:
    away = Problem(trouble=Trouble.TRANSIENT, kind="connection", detail="")

    def pauses(one: Certificate) -> list[timedelta]:
        found = []
        for _ in range(4):
            one, _ = fail(one, NOW, away)
            found.append(one.next_check_at - NOW)
        return found

    ladder = [MINUTE, 10 * MINUTE, 100 * MINUTE]
    has_time = certificate(State.RENEWING, leaf=leaf(90 * DAY, NOW - 61 * DAY))
    has_none = certificate(State.RENEWING, leaf=leaf(90 * DAY, NOW - 80 * DAY))
    for one, last in ((has_time, DAY), (has_none, 100 * MINUTE), (certificate(), 100 * MINUTE)):
        for pause, least in zip(pauses(one), [*ladder, last], strict=True):
            assert least <= pause <= 1.2 * least


def test_on_thaw_there_is_exactly_one_attempt() -> None:
    one = certificate(State.FROZEN, failures=5, freeze_level=1, frozen_until=NOW, fingerprint="a")
    assert machine.may_order(one, "a", NOW)
    one, _ = fail(one, NOW)
    assert (one.state, one.frozen_until) == (State.FROZEN, NOW + 2 * DAY)
    assert not machine.may_order(one, "a", NOW + DAY)


def test_changed_answers_thaw_early_three_times_a_day() -> None:
    """Number 39."""
    one = certificate(State.FROZEN, failures=5, freeze_level=1, frozen_until=NOW + 7 * DAY, fingerprint="a")
    for number in range(3):
        fresh = f"b{number}"
        assert machine.may_order(one, fresh, NOW)
        one, _ = fail(one, NOW, fingerprint=fresh)
    assert not machine.may_order(one, "again", NOW)
    assert machine.may_order(one, "again", NOW + DAY)
    assert not machine.may_order(one, one.fingerprint, NOW + DAY)


def test_sixty_days_of_failure_stay_far_below_the_limits_of_the_ca() -> None:
    """Number 38."""
    one, now, attempts = certificate(), NOW, []
    while now < NOW + 60 * DAY:
        if machine.may_order(one, "a", now):
            attempts.append(now)
            one, _ = fail(one, now)
        else:
            one = after(one, machine.missed(one, POLICY, now))
        assert one.next_check_at > now
        now = one.next_check_at
    assert len([at for at in attempts if at < NOW + DAY]) == 5
    assert max(len([at for at in attempts if start <= at < start + HOUR]) for start in attempts) <= 4
    assert len(attempts) <= 5 + 60 / 7 + 4


def test_a_pause_of_the_ca_and_a_block_wait_for_a_person() -> None:
    """Number 8."""
    one, change = fail(
        certificate(), NOW, Problem(trouble=Trouble.PAUSED, kind="rateLimited", detail="", link="https://x")
    )
    assert (one.state, change.notices) == (State.CA_PAUSED, ("ca_paused",))
    assert not machine.may_order(one, "other", NOW + 99 * DAY)
    blocked, change = fail(certificate(), NOW, Problem(trouble=Trouble.PERMANENT, kind="rejectedIdentifier", detail=""))
    assert (blocked.state, change.notices) == (State.BLOCKED, ("blocked",))
    assert not machine.may_order(blocked, "a", NOW + DAY)
    assert machine.may_order(blocked, "b", NOW + DAY)
    assert after(one, machine.asked_by_hand(one, NOW)).state is State.NORMAL


def test_by_hand_passes_a_freeze_but_is_no_flood() -> None:
    """Number 40."""
    one = certificate(State.FROZEN, failures=5, frozen_until=NOW + 7 * DAY)
    assert freeze.manual_wait(one, NOW) is None
    one = after(one, machine.asked_by_hand(one, NOW))
    assert machine.may_order(one, "a", NOW)
    assert freeze.manual_wait(one, NOW + MINUTE) == NOW + 2 * MINUTE
    one = after(one, machine.asked_by_hand(one, NOW + 2 * MINUTE))
    one = after(one, machine.asked_by_hand(one, NOW + 4 * MINUTE))
    assert freeze.manual_wait(one, NOW + 7 * MINUTE) == NOW + HOUR
    assert freeze.manual_wait(one, NOW + HOUR) is None


def test_a_deploy_that_fails_is_tried_again_without_another_order() -> None:
    """Number 47."""
    one = certificate(State.DEPLOY, leaf=leaf())
    pauses, notices = [], []
    for _ in range(5):
        change = machine.not_installed(one, NOW)
        notices += change.notices
        one = after(one, change)
        pauses.append(one.next_check_at - NOW)
        assert one.state is State.DEPLOY
    assert pauses == [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR]
    assert notices == ["deploy_stuck"]


def test_a_custom_one_takes_over_and_gives_back() -> None:
    """Numbers 51 and 53."""
    live = certificate(State.ACTIVE, leaf=leaf())
    custom = after(live, machine.customised(live))
    assert not machine.may_order(custom, "b", NOW)
    back = after(custom, machine.custom_removed(custom, POLICY, NOW))
    assert back.state is State.DEPLOY
    expired = after(custom, machine.custom_removed(custom, POLICY, NOW + 91 * DAY))
    assert expired.state is State.FAST
    never = certificate(State.CUSTOM)
    assert after(never, machine.custom_removed(never, POLICY, NOW)).state is State.FAST


@pytest.mark.parametrize("state", [State.FAST, State.NORMAL, State.ACTIVE, State.RENEWING, State.FROZEN, State.DEPLOY])
def test_suspension_remembers_where_it_stood(state: State) -> None:
    """Number 55."""
    one = certificate(state, leaf=leaf())
    off = after(one, machine.suspended(one))
    assert off.state is State.OFF
    back = after(off, machine.unsuspended(off, NOW + DAY))
    assert (back.state, back.next_check_at) == (state, NOW + DAY)


def test_suspension_in_the_midst_of_an_order_returns_to_before_it() -> None:
    one = certificate(State.RENEWING, leaf=leaf())
    begun = after(one, machine.ordered(one, NOW))
    off = after(begun, machine.suspended(begun))
    assert after(off, machine.unsuspended(off, NOW)).state is State.RENEWING


def test_a_custom_one_is_not_switched_off() -> None:
    one = certificate(State.CUSTOM)
    assert machine.suspended(one) == Change()
    assert machine.unsuspended(one, NOW) == Change()


def test_other_names_begin_anew_and_keep_what_is_served() -> None:
    one = certificate(State.FROZEN, leaf=leaf(), failures=5, freeze_level=2, frozen_until=NOW + DAY)
    changed = after(one, machine.names_changed(one, ("shop.test", "blog.test"), NOW))
    assert (changed.state, changed.failures, changed.leaf) == (State.NORMAL, 0, one.leaf)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ISSUING}))
def test_a_result_without_an_order_is_refused(state: State) -> None:
    with pytest.raises(IllegalTransition):
        machine.issued(certificate(state), leaf(), NOW)
    with pytest.raises(IllegalTransition):
        machine.failed(certificate(state), NOT_FOUND, "a", POLICY, NOW)
