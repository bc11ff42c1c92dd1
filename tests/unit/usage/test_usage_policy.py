"""What follows from being over a limit, from a collection that failed, and from a counter that began anew."""

from __future__ import annotations

import pytest

from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.states import Desired
from orchestrator.plan import chains, jobs, limits
from orchestrator.plan.usage import alarms, policy
from orchestrator.plan.usage.days import grown
from orchestrator.plan.usage.thresholds import EXCEEDED, NEAR
from tests.support.snapshots import a_service, a_vanity_service

STRICT = limits.parse({"over_limit": "suspend-web"})


@pytest.mark.parametrize(
    ("given", "levels", "expected"),
    [
        (STRICT, {}, ()),
        (STRICT, {"bandwidth": NEAR, "web_disk": NEAR}, ()),
        (STRICT, {"bandwidth": EXCEEDED}, ("bandwidth",)),
        (STRICT, {"bandwidth": EXCEEDED, "web_disk": EXCEEDED}, ("web_disk", "bandwidth")),
        (STRICT, {"mail_disk": EXCEEDED, "mailboxes": EXCEEDED, "mailbox:a@b.test": EXCEEDED}, ()),
        (limits.parse({}), {"bandwidth": EXCEEDED}, ()),
        ({}, {"bandwidth": EXCEEDED}, ()),  # a service of before there was a policy
    ],
)
def test_only_web_figures_over_their_limit_hold_and_only_where_the_package_says_so(
    given: dict[str, object], levels: dict[str, int], expected: tuple[str, ...]
) -> None:
    assert policy.held_for(given, levels) == expected


def test_a_policy_that_is_not_known_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(InvalidInput, match="notify or suspend-web"):
        limits.parse({"over_limit": "delete"})


@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize("is_held", [True, False])
def test_a_web_account_is_woken_only_when_nothing_holds_it(desired: Desired, is_held: bool) -> None:
    service = a_service(desired=desired, web_held=is_held)
    possible, refused = "web.account_active", "web.account_suspended"
    if is_held or desired != Desired.ACTIVE:
        possible, refused = refused, possible
    assert jobs.build(possible, service, {}, "key", 1)["params"]["username"] == service.username
    with pytest.raises(Conflict, match="wants the opposite"):
        jobs.build(refused, service, {}, "key", 1)


@pytest.mark.parametrize("make", [a_service, a_vanity_service])
@pytest.mark.parametrize("has_mark", [True, False])
def test_every_way_to_active_keeps_a_held_website_off_and_wakes_the_rest(make: object, has_mark: bool) -> None:
    service = make(web_held=True, held=has_mark)  # type: ignore[operator]
    for plan in (chains.reach(service), chains.reach(service, whole=False), chains.reset(service)):
        actions = [step.action for step in plan.steps]
        assert "web.account_suspended" in actions and "web.account_active" not in actions
    assert ("mail.account_active" in [step.action for step in chains.reach(service, whole=False).steps]) is has_mark


@pytest.mark.parametrize(("before", "now", "expected"), [(None, 7, 0), (5, 7, 2), (7, 7, 0), (7, 3, 3), (7, 0, 0)])
def test_a_counter_that_begins_anew_with_its_server(before: int | None, now: int, expected: int) -> None:
    assert grown(before, now) == expected


def test_a_failure_is_news_once_and_success_when_it_lasts() -> None:
    assert alarms.is_news_that_it_fails(has_told=False) and not alarms.is_news_that_it_fails(has_told=True)
    for newest, expected in (([True, True], True), ([True, False], False), ([True], False), ([], False)):
        assert alarms.is_news_that_it_works(True, newest) is expected
        assert not alarms.is_news_that_it_works(False, newest)
