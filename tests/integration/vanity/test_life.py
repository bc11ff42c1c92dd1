"""Whatever happens to a vanity service, everything that it shares stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.dispatch import rehearsal
from orchestrator.models.fleet import Orphan
from orchestrator.models.service import Mailbox, Service
from orchestrator.store import fleet as fleets
from orchestrator.store import mailboxes, orphans
from tests.integration.vanity.conftest import PROVIDER, Provider

FORCE = {"force": True}


@pytest.fixture
def shared(provider: Provider) -> Provider:
    """Give three services a name each."""
    for number in (3001, 3002, 3003):
        assert provider.name(number).status == "done"
    return provider


def others(provider: Provider, service: int) -> dict[str, dict[str, Any]]:
    """Return everything on every server that is not of one service."""
    mine = f"s{service}"
    return {
        server: {key: one for key, one in objects.items() if one["owner"] != mine}
        for server, objects in provider.executor.state().items()
    }


def wiped(provider: Provider, number: int) -> None:
    """Reset a service, with its code."""
    code = provider.done("factory_reset", number).result["confirm"]
    assert provider.done("factory_reset", number, confirm=code).status == "done"


def test_suspended_and_woken_it_is_as_it_was(shared: Provider) -> None:
    before, rest = shared.executor.state(), others(shared, 3001)
    shared.done("suspend", 3001)
    held = {key for objects in shared.objects_of(3001).values() for key in objects if key.startswith("held")}
    assert held == {"held-web w3001", "held-mail s3001"}
    assert others(shared, 3001) == rest
    shared.done("unsuspend", 3001)
    assert shared.executor.state() == before


def test_a_group_that_withdraws_takes_the_record_and_not_the_zone(shared: Provider) -> None:
    before, rest, serial = shared.executor.state(), others(shared, 3001), shared.serial()
    fleets.set_group("standard", "suspended_dns", "withdraw")
    shared.done("suspend", 3001)
    assert not shared.objects_of(3001)["dns1"] and not shared.objects_of(3001)["dns2"]
    assert others(shared, 3001) == rest
    taken = shared.serial()
    assert taken > serial
    shared.done("repair", 3001)
    assert not shared.objects_of(3001)["dns1"]
    shared.done("unsuspend", 3001)
    assert shared.executor.state() == before
    assert shared.serial() > taken


def test_woken_in_the_midst_of_a_deploy_it_ends_active(shared: Provider) -> None:
    fleets.set_group("standard", "suspended_dns", "withdraw")
    before = shared.executor.state()
    for action in ("redeploy", "suspend", "unsuspend"):
        shared.ask(action, 3001)
    shared.settle()
    assert (shared.status(3001), shared.executor.state()) == ("active", before)


def test_terminated_it_leaves_everything_as_it_was_before_its_order(provider: Provider) -> None:
    provider.name(3002)
    before = provider.executor.state()
    provider.name(3001)
    provider.done("terminate", 3001)
    assert provider.status(3001) == "terminated"
    assert provider.executor.state() == before


def test_suspended_before_it_had_a_mailbox_it_leaves_no_mark_either(provider: Provider) -> None:
    before = provider.executor.state()
    provider.ask("create", 3001, **provider.wanted(3001))
    provider.settle(until=lambda: Service.get_or_none(Service.id == 3001) is not None)
    provider.ask("suspend", 3001)
    provider.ask("terminate", 3001)
    provider.settle()
    assert (provider.status(3001), provider.executor.state()) == ("terminated", before)


def test_closed_out_by_force_what_is_left_goes_when_the_server_is_back(shared: Provider) -> None:
    rest = others(shared, 3001)
    server = next(name for name, objects in shared.objects_of(3001).items() if "user w3001" in objects)
    shared.executor.down.add(server)
    shared.ask("terminate", 3001, **FORCE)
    shared.settle(until=lambda: shared.status(3001) == "terminated" and not shared.objects_of(3001)["dns2"])
    assert {entry.domain for entry in Orphan.select()} == {"anna.provider.test"}
    newer = shared.ask("create", 3009, **shared.wanted(3009, "anna"))
    shared.settle(until=lambda: shared.objects_of(3009)["dns1"] != {} and shared.objects_of(3009)["mail1"] != {})
    assert newer and shared.objects_of(3009)["mail1"].keys() == {"mailbox anna@provider.test"}
    shared.executor.down.clear()
    orphans.try_again()
    shared.settle()
    assert not any(shared.objects_of(3001).values())
    assert {server: objects for server, objects in others(shared, 3009).items() if objects} == {
        server: objects for server, objects in rest.items() if objects
    }
    assert shared.status(3009) == "active"
    assert not any(row["action"].startswith(("mail.domain", "dns.zone", "mail.dkim")) for row in shared.jobs(3001))


def test_a_factory_reset_empties_its_mailbox_and_keeps_it(shared: Provider) -> None:
    before = shared.executor.state()
    shared.done("web.database_present", 3001, name="shop", password_sealed=shared.sealed("correct horse"))
    begin, number = len(shared.executor.requests), Mailbox.get(Mailbox.service_id == 3001).id
    wiped(shared, 3001)
    ran = [(one["action"], one["params"].get("local_part")) for one in shared.jobs(3001, begin)]
    boxes = [pair for pair in ran if pair[0].startswith("mail.")]
    assert boxes == [("mail.mailbox_absent", "anna"), ("mail.account_active", None), ("mail.mailbox_present", "anna")]
    assert Mailbox.get(Mailbox.service_id == 3001).id == number
    assert shared.executor.state() == before


@pytest.mark.parametrize("action", ["redeploy", "repair"])
def test_running_the_chain_again_changes_nothing(shared: Provider, action: str) -> None:
    before, serial, begin = shared.executor.state(), shared.serial(), len(shared.executor.requests)
    assert shared.done(action, 3001).status == "done"
    assert (shared.executor.state(), shared.serial()) == (before, serial)
    assert {one["action"] for one in shared.jobs(3001, begin)} == {
        "web.package_present",
        "web.user_present",
        "web.domain_present",
        "web.php_present",
        "web.proxy_present",
        "mail.mailbox_present",
        "dns.record_present",
    }


def test_another_package_fits_the_one_mailbox(shared: Provider) -> None:
    box = lambda: Mailbox.get(Mailbox.service_id == 3001).quota_mb  # noqa: E731
    for package, quota in (("tiny", 16), ("large", 4096), ("small", 1024)):
        assert shared.done("change_package", 3001, package=package).status == "done"
        assert box() == quota
    shared.done("mail.mailbox_present", 3001, local_part="anna", quota_mb=100)
    shared.done("change_package", 3001, package="large")
    assert box() == 100, "what the customer has chosen stays"
    for package in ("no-mail", "no-web"):
        assert "choose another package" in str(shared.done("change_package", 3001, package=package).error)


def test_a_quota_of_all_has_an_end() -> None:
    assert mailboxes.whole_quota({"mail_disk_mb": 2**40}) == 2**30


def test_another_password_reaches_its_own_mailbox_only(shared: Provider) -> None:
    begin = len(shared.executor.requests)
    assert shared.done("change_password", 3001, password_sealed=shared.sealed("correct horse")).status == "done"
    ran = [(one["action"], one["params"]["local_part"]) for one in shared.jobs(3001, begin)]
    assert ran == [("mail.mailbox_present", "anna")]


def test_a_rehearsal_shows_nothing_of_others(shared: Provider) -> None:
    code = shared.done("factory_reset", 3001).result["confirm"]
    for action, params in (
        ("terminate", {}),
        ("terminate", FORCE),
        ("suspend", {}),
        ("redeploy", {}),
        ("factory_reset", {"confirm": code}),
    ):
        for step in shared.app.rehearse(f"service.{action}", 3001, params, "test").steps:
            assert isinstance(step, rehearsal.PlannedStep)
            assert step.request is None or step.request.job["service"]["owner"] == "s3001"
            assert step.action not in ("mail.domain_absent", "dns.zone_absent", "mail.dkim_present", "dns.zone_present")


def test_the_serial_is_one_for_all_who_write_to_the_zone(shared: Provider) -> None:
    seen = [shared.serial()]
    shared.done("terminate", 3001)
    seen.append(shared.serial())
    shared.done("dns.record_present", PROVIDER, name="note", type="TXT", records=["x"])
    seen.append(Service.get_by_id(PROVIDER).zone_serial)
    assert shared.serial() == seen[-1]
    shared.done("terminate", 3002, **FORCE)
    seen.append(shared.serial())
    shared.name(3001)
    seen.append(shared.serial())
    shared.done("redeploy", PROVIDER)
    assert shared.serial() == seen[-1]
    assert seen == sorted(set(seen)), seen
    written: dict[int, Any] = {}
    for one in shared.executor.requests:
        params = one.job["params"]
        if params.get("zone") == "provider.test." and "serial" in params and "shared_owner" in params:
            found = (one.job["service"]["id"], params.get("rrsets"), params["remove"])
            assert written.setdefault(params["serial"], found) == found, "one serial, two contents"
