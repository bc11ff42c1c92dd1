"""Over its limit a website is suspended where its package says so; it wakes by itself, and never against billing."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task
from orchestrator.plan import limits
from orchestrator.store import fleet as fleet_store
from orchestrator.store import services, tasks, usage_limits
from tests.integration.usage.conftest import WEB, Usage, notices

MIB = 1024 * 1024
MARKS = ("web.account_suspended", "web.account_active", "mail.account_suspended", "mail.account_active")


@pytest.fixture
def strict(usage: Usage) -> Usage:
    """Return the bench with service 1 on a package that suspends."""
    for name, disk in (("strict", 1), ("larger", 2)):
        given = {"web_disk_mb": disk, "bandwidth_mb": 1, "over_limit": "suspend-web"}
        fleet_store.add_package(name, limits.parse(given))
    fleet_store.add_package("patient", limits.parse({"web_disk_mb": 1, "bandwidth_mb": 1}))
    ask(usage, "service.change_package", package="strict")
    usage.bench.executor.requests.clear()
    return usage


def ask(usage: Usage, action: str, **params: Any) -> None:
    """Ask for something and let everything that follows happen."""
    tasks.enqueue(action, service_id=1, params=params)
    usage.bench.settle(60)


def use(usage: Usage, percent: int, traffic: int = 0) -> None:
    """Let the web account of service 1 hold so much of one MiB, and of traffic this month."""
    days = f"20261125:0:{MIB * traffic // 100}"
    usage.say("web", {"s1": WEB | {"disk": MIB * percent // 100, "days": days}, "s2": WEB | {"disk": 5 * MIB}})
    usage.sync()


def marked(usage: Usage) -> list[str]:
    """Return the marks that were put on or taken off since the last look, of both roles."""
    found = [one.action for one in usage.bench.executor.requests if one.action in MARKS]
    usage.bench.executor.requests.clear()
    return found


def held() -> str:
    return str(services.get(1).web_held_for)


def test_over_the_limit_the_web_account_is_suspended_once_and_woken_when_it_has_clearly_fallen(strict: Usage) -> None:
    for percent in (50, 85, 100):
        use(strict, percent)
    assert marked(strict) == [] and held() == ""
    for percent in (101, 110, 99, 101, 96):  # around the limit nothing is switched on and off
        use(strict, percent)
    assert marked(strict) == ["web.account_suspended"] and held() == "web_disk"
    assert services.get(1).status == "active"  # it is the website's state, not the service's
    use(strict, 95)
    assert marked(strict) == ["web.account_active"] and held() == ""
    assert [one["subject"] for one in notices("web_suspended")] == ["web_disk"]
    assert len(notices("web_resumed")) == 1 and len(notices("usage_limit_exceeded")) >= 2
    assert services.get(2).web_held_for == ""  # five times over, and its package only notifies
    assert {row.status for row in Operation.select()} == {"done"}


def test_a_second_reason_changes_what_is_told_and_both_have_to_end(strict: Usage) -> None:
    use(strict, 120)
    use(strict, 120, traffic=150)
    assert held() == "web_disk,bandwidth" and marked(strict) == ["web.account_suspended"]
    use(strict, 10, traffic=150)
    assert held() == "bandwidth" and marked(strict) == []
    strict.now = strict.now.replace(month=12, day=1)  # the traffic of a new month
    strict.say("web", {"s1": WEB | {"days": ""}, "s2": WEB})
    strict.sync()
    assert held() == "" and marked(strict) == ["web.account_active"]


@pytest.mark.parametrize("package", ["larger", "patient"])
def test_a_larger_limit_or_another_policy_wakes_it_without_waiting_for_a_collection(
    strict: Usage, package: str
) -> None:
    use(strict, 120)
    assert marked(strict) == ["web.account_suspended"]
    collections = len(strict.requests)
    ask(strict, "service.change_package", package=package)
    assert held() == "" and marked(strict)[-1] == "web.account_active"
    assert len(strict.requests) == collections


def test_a_smaller_package_suspends_at_once(strict: Usage) -> None:
    ask(strict, "service.change_package", package="larger")
    use(strict, 150)
    assert held() == ""
    ask(strict, "service.change_package", package="strict")
    assert held() == "web_disk" and marked(strict)[-1] == "web.account_suspended"


def test_less_use_never_lifts_a_suspension_by_billing_nor_billing_one_by_use(strict: Usage) -> None:
    use(strict, 120)
    ask(strict, "service.suspend", reason="unpaid")
    assert sorted(marked(strict)) == ["mail.account_suspended", "web.account_suspended", "web.account_suspended"]
    use(strict, 10)
    assert held() == "" and services.get(1).status == "suspended" and marked(strict) == []
    use(strict, 120)
    assert held() == "web_disk" and marked(strict) == []  # it is off already
    ask(strict, "service.unsuspend")
    assert sorted(marked(strict)) == ["mail.account_active", "web.account_suspended"]
    assert services.get(1).status == "active" and held() == "web_disk"
    use(strict, 10)
    assert marked(strict) == ["web.account_active"]
    ask(strict, "service.suspend", reason="unpaid")
    ask(strict, "service.unsuspend")
    assert sorted(marked(strict)[-2:]) == ["mail.account_active", "web.account_active"]


def test_a_repair_and_a_redeploy_keep_it_suspended_and_a_wish_from_outside_cannot_wake_it(strict: Usage) -> None:
    use(strict, 120)
    marked(strict)
    for action in ("service.repair", "service.redeploy"):
        ask(strict, action)
        assert "web.account_active" not in (found := marked(strict)) and "web.account_suspended" in found
    ask(strict, "service.enforce_limits")
    assert marked(strict) == [] and held() == "web_disk"
    number = tasks.enqueue("service.enforce_limits", service_id=1, params={"force": True})
    strict.bench.settle()
    assert tasks.get(number).status == "error" and "force" in str(tasks.get(number).error)


def test_terminated_and_ordered_anew_nothing_of_it_is_left(strict: Usage) -> None:
    use(strict, 120)
    ask(strict, "service.terminate")
    ask(strict, "service.create", domain="shop1.test", package="strict", group="standard")
    assert services.get(1).status == "active" and held() == ""
    assert usage_limits.held_for(Service.get_by_id(1)) == ()
    assert not Task.select().where(Task.status == "error").exists()
