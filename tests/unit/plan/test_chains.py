"""The deploy chain is a graph in which only real dependencies wait."""

from __future__ import annotations

from itertools import combinations

import pytest

from orchestrator.core.records import Plan
from orchestrator.plan import chains, jobs, zone
from tests.support.snapshots import a_service


def ancestors(plan: Plan, key: str) -> set[str]:
    """Return everything that must be done before a step."""
    steps = plan.by_key()
    found: set[str] = set()
    todo = list(steps[key].needs)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += steps[one].needs
    return found


MARK = "service.status_active"
SUBSETS = [frozenset(roles) for size in (1, 2, 3) for roles in combinations(("web", "mail", "dns"), size)]


@pytest.mark.parametrize("roles", SUBSETS, ids=lambda roles: "+".join(sorted(roles)))
def test_every_subset_of_roles_has_a_plan_without_circles_and_an_end(roles: frozenset[str]) -> None:
    plan = chains.reach(a_service(roles=roles))
    keys = [step.key for step in plan.steps]
    assert len(keys) == len(set(keys))
    assert ancestors(plan, MARK) == set(keys) - {MARK}
    assert all(key not in ancestors(plan, key) for key in keys)
    areas = {step.action.split(".")[0] for step in plan.steps} - {"service"}
    assert areas == set(roles)


def test_web_mail_and_dns_begin_at_the_same_time() -> None:
    plan = chains.reach(a_service())
    begin = {step.key for step in plan.steps if not step.needs}
    assert begin == {
        "web.package_present@web1",
        "mail.domain_present@mail1",
        "dns.zone_present@dns1",
        "dns.zone_present@dns2",
    }


def test_only_the_dkim_record_waits_for_the_mail_server() -> None:
    plan = chains.reach(a_service())
    for server in ("dns1", "dns2"):
        assert "mail.dkim_present@mail1" in ancestors(plan, f"dns.record:dkim@{server}")
        assert not any(key.startswith("mail") for key in ancestors(plan, f"dns.records_present@{server}"))


def test_one_dns_server_never_waits_for_the_other() -> None:
    plan = chains.reach(a_service())
    assert not any("dns2" in key for key in ancestors(plan, "dns.record:dkim@dns1"))


def test_every_step_has_a_job() -> None:
    service = a_service()
    for step in chains.reach(service).steps:
        if step.server:
            job = jobs.build(step.action, service, step.params, step.key, 7)
            assert job["fence"]["token"] == 7
            assert job["service"]["owner"] == "s1001"


def test_a_record_whose_placeholder_is_empty_is_left_out() -> None:
    names = {(one.name, one.type) for one in zone.default_rrsets(a_service(roles=frozenset({"web", "dns"})))}
    assert ("www.shop.test.", "A") in names
    assert ("www.shop.test.", "AAAA") not in names
    assert not any(kind in ("MX", "TXT") for _, kind in names)


def test_the_serial_follows_the_content() -> None:
    before, after = a_service(), a_service(dkim_public_key="QUJD")
    assert zone.digest(before) == zone.digest(a_service())
    assert zone.digest(before) != zone.digest(after)
