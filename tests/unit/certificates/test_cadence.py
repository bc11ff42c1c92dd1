"""When a certificate is due and when it is looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.certificates import cadence
from tests.unit.certificates.given import DAY, NOW, POLICY, certificate, leaf

HOUR = timedelta(hours=1)


def test_a_certificate_of_fifteen_minutes_is_due_at_its_half() -> None:
    """Number 16 of the list in docs/concepts/certificates.md."""
    one = leaf(timedelta(seconds=900))
    found = cadence.due(certificate(), one)
    assert timedelta(seconds=450 - 18) <= found - NOW <= timedelta(seconds=450)


def test_a_certificate_of_thirty_days_is_due_at_two_thirds() -> None:
    found = cadence.due(certificate(), leaf(30 * DAY)) - NOW
    assert 19.4 * DAY <= found <= 20 * DAY


@given(hours=st.floats(1, 398 * 24), number=st.integers(1, 10**9))
def test_never_due_at_birth_and_never_at_the_end(hours: float, number: int) -> None:
    one = leaf(timedelta(hours=hours))
    found = cadence.due(certificate(id=number), one)
    assert one.not_before + one.lifetime * 0.45 < found <= one.not_after - one.lifetime / 20


def test_certificates_of_one_moment_are_not_due_at_one_moment() -> None:
    found = {cadence.due(certificate(id=number), leaf()) for number in range(1000)}
    assert len(found) == 1000
    assert max(found) - min(found) > 1.7 * DAY


def test_the_instant_in_a_window_is_drawn_once() -> None:
    """Number 11."""
    start, end = NOW + DAY, NOW + 3 * DAY
    first = cadence.renewal_info(None, start, end, None, NOW, 0.25)
    assert first.selected == start + 0.5 * DAY
    for share in (0.1, 0.5, 0.9):
        again = cadence.renewal_info(first, start, end, None, NOW + HOUR, share)
        assert again.selected == first.selected
    moved = cadence.renewal_info(first, NOW - 2 * DAY, NOW - DAY, None, NOW, 0.5)
    assert cadence.due(certificate(renewal=moved), leaf()) < NOW


def test_each_certificate_draws_an_instant_of_its_own_and_keeps_it() -> None:
    start, end = NOW + DAY, NOW + 3 * DAY
    first = [cadence.drawn(number, None, start, end, None, NOW) for number in range(200)]
    assert len({one.selected for one in first}) == 200
    assert all(start <= one.selected < end for one in first)
    again = [cadence.drawn(number, one, start, end, None, NOW + HOUR) for number, one in enumerate(first)]
    assert [one.selected for one in again] == [one.selected for one in first]
    moved = [cadence.drawn(number, one, start, end + HOUR, None, NOW) for number, one in enumerate(first)]
    assert all(one.end == end + HOUR for one in moved)
    assert {one.selected for one in moved}.isdisjoint(one.selected for one in first)


@pytest.mark.parametrize(
    ("said", "kept"),
    [(None, 6 * HOUR), (timedelta(seconds=5), HOUR), (12 * HOUR, 12 * HOUR), (900 * HOUR, 24 * HOUR)],
)
def test_the_pause_between_polls_is_bounded(said: timedelta | None, kept: timedelta) -> None:
    assert cadence.renewal_info(None, NOW, NOW + DAY, said, NOW, 0.5).next_poll == NOW + kept


def test_a_window_far_away_does_not_outlive_the_certificate() -> None:
    far = cadence.renewal_info(None, NOW + 200 * DAY, NOW + 201 * DAY, None, NOW, 0.5)
    one = leaf(90 * DAY)
    assert cadence.due(certificate(renewal=far), one) == one.not_after - 4.5 * DAY


def test_an_order_is_exempt_only_inside_the_window() -> None:
    window = cadence.renewal_info(None, NOW, NOW + DAY, None, NOW, 0.5)
    assert cadence.is_in_window(window, NOW)
    assert not cadence.is_in_window(window, NOW + DAY)
    assert not cadence.is_in_window(window, NOW - HOUR)
    assert not cadence.is_in_window(None, NOW)


@pytest.mark.parametrize(("age", "hours"), [(HOUR, 1), (2 * DAY, 6), (30 * DAY, 24)])
def test_names_that_do_not_lead_here_are_looked_at_ever_more_rarely(age: timedelta, hours: int) -> None:
    """Number 37."""
    pause = cadence.next_look(certificate(provisioned_at=NOW - age), POLICY, NOW) - NOW
    assert 0.9 * hours * HOUR <= pause <= 1.1 * hours * HOUR


@pytest.mark.parametrize(("age", "hours"), [(59, 1), (63, 6), (89, 6), (90.5, 1), (93, 6), (120, 24)])
def test_one_in_use_whose_names_lead_elsewhere_is_looked_at_ever_more_rarely(age: float, hours: int) -> None:
    """From when it is due, and anew from its end; but never as rarely as one that never was."""
    one = certificate(provisioned_at=NOW - 300 * DAY, leaf=leaf(90 * DAY, NOW - age * DAY))
    assert 0.9 * hours * HOUR <= cadence.next_look(one, POLICY, NOW) - NOW <= 1.1 * hours * HOUR


def test_a_working_certificate_is_not_looked_at_after_it_is_due() -> None:
    one = leaf(timedelta(hours=8))
    found = cadence.active_look(certificate(leaf=one), one, POLICY, NOW + 3 * HOUR)
    assert found == cadence.due(certificate(), one)
    late = cadence.active_look(certificate(leaf=one), one, POLICY, NOW + 7 * HOUR)
    assert late == NOW + 7 * HOUR
    slow = replace(POLICY, active_interval=HOUR)
    assert cadence.active_look(certificate(leaf=leaf()), leaf(), slow, NOW) <= NOW + 1.1 * HOUR
