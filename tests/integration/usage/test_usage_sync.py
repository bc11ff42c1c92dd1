"""What servers say becomes figures, on both databases: in the right month, never 0 by mistake, told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.fleet import Server
from orchestrator.models.task import Operation, Task
from orchestrator.models.usage import UsageCollection, UsageCurrent, UsageHistory, UsageMonth
from orchestrator.store import fleet as fleet_store
from orchestrator.store import services, tasks, usage_export, usage_requests, usage_statistics
from orchestrator.store.database import session, transaction
from tests.integration.usage.conftest import DNS, MAIL, WEB, Usage, current, notices

MIB = 1024 * 1024


def test_one_run_recomputes_every_service_of_a_server(usage: Usage) -> None:
    usage.say("web", {"s1": WEB | {"days": "20261125:100:2000"}, "s2": WEB | {"disk": 7}})
    assert usage.sync().status == "done"
    assert len(usage.requests) == 1
    assert current(1)[("web_disk", "snapshot")] == 500 and current(2)[("web_disk", "snapshot")] == 7
    assert current(1)[("bandwidth", "2026-11")] == 2100 and current(2)[("bandwidth", "2026-11")] == 0
    assert ("disk", "snapshot") not in current(1)  # mail was never collected: unknown, not 0
    for server, role, said in (("mail1", "mail", MAIL), ("dns1", "dns", DNS), ("dns2", "dns", DNS)):
        usage.say(role, {"s1": said, "s2": said})
        assert usage.sync(server).status == "done"
    assert current(1)[("disk", "snapshot")] == 800
    assert current(1)[("dns_zones", "snapshot")] == 1  # two servers hold the same zone
    assert current(1)[("mail_sent", "2026-11")] == 0


def test_a_hostile_or_partial_report_changes_nothing_wrong_and_is_recorded(usage: Usage) -> None:
    usage.say("web", {"s1": WEB, "s2": WEB})
    usage.sync()
    before, when = current(1), UsageCurrent.get((UsageCurrent.service_id == 1) & (UsageCurrent.metric == "web_disk"))
    usage.now += timedelta(hours=3)
    usage.say(
        "web", {"s1": WEB | {"disk": -1, "databases": 2**63 - 1}, "s2": WEB | {"disk": 8}, "s77": WEB}, complete=False
    )
    assert usage.sync().status == "done"
    assert current(1) == before and current(2)[("web_disk", "snapshot")] == 8
    after = UsageCurrent.get((UsageCurrent.service_id == 1) & (UsageCurrent.metric == "web_disk"))
    assert after.collected_at == when.collected_at < usage.now
    row = UsageCollection.get(UsageCollection.role == "web")
    assert row.collected_at == when.collected_at  # not complete
    assert len(row.problems) == 4 and "s77" in row.problems[1]
    for said in ({"accounts": []}, {"accounts": None}):
        usage.said["web"] = said
        task = usage.sync()
        assert task.status == "error" and "is no report of usage" in task.error
    usage.fails = RunResult(outcome=Outcome.INVALID, reason="invalid", message="usage has a key that is no plain name")
    assert usage.sync().status == "error"
    assert current(1) == before


def test_a_counter_that_fell_goes_on_where_it_was(usage: Usage) -> None:
    for said in ("20261125:100:1000", "20261125:150:1500", "20261125:10:20", "20261125:30:40", "20261125:30:40"):
        usage.say("web", {"s1": WEB | {"days": said}})
        usage.sync()
    assert current(1)[("web_in", "2026-11")] == 150 + 30
    assert current(1)[("web_out", "2026-11")] == 1500 + 40


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "America/Los_Angeles"])
def test_a_late_collection_lands_in_the_month_that_has_ended(usage: Usage, zone: str) -> None:
    fleet_store.set_knob("usage.timezone", zone, "test")
    usage.now = datetime(2026, 10, 31, 12, tzinfo=UTC)
    usage.say("web", {"s1": WEB | {"days": "20261031:1:10"}})
    usage.sync()
    usage.now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    usage.say("web", {"s1": WEB | {"days": "20261031:2:20 20261101:5:50"}})
    usage.sync()
    sent = {one["day"]: one["start"] for one in usage.requests[-1].job["params"]["days"]}
    assert list(sent) == [20261030, 20261031, 20261101, 20261102, 20261103]
    offset = {"UTC": 0, "Europe/Vienna": -1, "America/Los_Angeles": 7}[zone]
    assert sent[20261101] == int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) + offset * 3600
    assert current(1)[("bandwidth", "2026-10")] == 22 and current(1)[("bandwidth", "2026-11")] == 55
    usage.now = datetime(2026, 11, 3, 12, tzinfo=UTC)
    usage.say("web", {"s1": WEB | {"days": "20261001:9:9"}})  # a day that was not asked for
    usage.sync()
    assert current(1)[("bandwidth", "2026-10")] == 22
    history = {row.day: row.figures for row in UsageHistory.select().where(UsageHistory.service_id == 1)}
    assert history[20261031]["bandwidth"] == 22 and history[20261031]["web_disk"] == 500
    assert history[20261101] == {"web_in": 5, "web_out": 50, "bandwidth": 55}


def test_a_limit_is_told_once_and_again_after_it_has_clearly_fallen(usage: Usage) -> None:
    for percent in (50, 85, 90, 101, 99, 101, 50, 85):
        usage.say("web", {"s1": WEB | {"disk": MIB * percent // 100}})
        usage.sync()
    assert [one["subject"] for one in notices("usage_near_limit")] == ["web_disk", "web_disk"]
    assert len(notices("usage_limit_exceeded")) == 1
    assert notices("usage_limit_exceeded")[0]["limit"] == MIB


def test_servers_are_asked_once_an_interval_and_never_twice_at_once(usage: Usage) -> None:
    start = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def ask(moment: datetime) -> int:
        with session():
            return usage_requests.ask_due(moment)

    with ThreadPoolExecutor(4) as pool:  # four orchestrators at the same moment
        list(pool.map(ask, [start] * 4))
    asked = Task.select().where(Task.action.startswith("server.sync"))
    assert asked.count() == 2 * Server.select().count()
    for minute in range(1, 61):
        ask(start + timedelta(minutes=minute))
    assert asked.count() == 2 * Server.select().count()  # none has run yet: nothing is added
    number = Server.get(Server.name == "web1").id
    by_hand = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "test"))
    mine = (Task.action == usage_requests.USAGE) & (Task.server_id == number)
    assert [row.id for row in Task.select().where(mine)] == [by_hand]


def test_a_service_waits_for_its_servers_and_only_its_own_figures_are_told(usage: Usage) -> None:
    usage.say("web", {"s1": WEB, "s2": WEB})
    usage.say("mail", {"s1": MAIL, "s2": MAIL})
    usage.say("dns", {"s1": DNS, "s2": DNS})
    before = services.get(1)
    asked = [tasks.enqueue("service.sync_usage", service_id=1) for _ in range(2)]
    usage.bench.settle()
    # The second wish joins what is open, and asks anew where the first one has been answered: never two at once.
    assert {request.host.name for request in usage.requests} == {"dns1", "dns2", "mail1", "web1"}
    assert len(usage.requests) <= 8 and usage.bench.executor.overlaps == []
    operations = [Operation.get(Operation.intent_task_id == task) for task in asked]
    assert [one.status for one in operations] == ["done", "done"]
    told = notices("usage_synced")
    assert [one["service"] for one in told] == [1, 1]
    assert {"metric": "disk", "value": 800, "unit": "bytes", "period": "snapshot"} in told[0]["figures"]
    after = services.get(1)
    assert (after.generation, after.status, after.deployed) == (before.generation, "active", True)
    usage.fails = RunResult(outcome=Outcome.INVALID, message="the node is broken")
    task = tasks.enqueue("service.sync_usage", service_id=2)
    usage.bench.settle()
    operation = Operation.get(Operation.intent_task_id == task)
    first = Task.get(Task.operation_id == operation.id)
    assert first.status == "waiting" and "failed" in first.error  # blocked, and it says by what
    assert services.get(2).status == "active"


def test_the_export_for_whmcs_equals_what_is_shown_with_zeros(usage: Usage) -> None:
    usage.say("web", {"s1": WEB | {"days": "20261125:1:2"}, "s2": WEB | {"databases": 0}})
    usage.sync()
    usage.say("mail", {"s1": MAIL})
    usage.sync("mail1")
    found = usage_export.whmcs(202611, None)
    names = {number: services.get(number).username for number in (1, 2)}
    assert found["tenants"][names[1]] == {"disk": 800, "mailboxes": 0, "databases": 1, "bandwidth": 3}
    assert found["tenants"][names[2]] == {"databases": 0, "bandwidth": 0}  # mail of 2 is not known
    assert {one["name"]: one["type"] for one in found["metrics"]} == {
        "disk": "snapshot",
        "mailboxes": "snapshot",
        "databases": "snapshot",
        "bandwidth": "month",
    }
    shown = current(1)
    rows = list(usage_export.rows(202611, 1, only_month=False))
    assert {(row["metric"], row["period"]): row["value"] for row in rows} == shown


def test_the_export_of_all_is_that_of_each_however_many_are_read_at_a_time(
    usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage.say("web", {"s1": WEB, "s2": WEB})
    usage.sync()
    each = [row for number in (1, 2) for row in usage_export.rows(202611, number, only_month=False)]
    for size in (1, 2, 3):
        monkeypatch.setattr(usage_export, "_SERVICES", size)
        assert list(usage_export.rows(202611, None, only_month=False)) == each != []


def test_sums_top_trend_and_retention(usage: Usage) -> None:
    usage.say("web", {"s1": WEB | {"disk": 10}, "s2": WEB | {"disk": 30}})
    usage.sync()
    usage_statistics.add_up(usage.now)
    assert usage_statistics.totals("all")[0]["web_disk"] == 40
    by_server: dict[str, Any] = {row["name"]: row for row in usage_statistics.totals("server")}
    assert by_server["web1"]["web_disk"] == 40 and by_server["web1"]["services"] == 2
    assert "web_disk" not in by_server["mail1"]
    assert usage_statistics.totals("package")[0]["name"] == "small"
    assert [row.service_id for row in usage_statistics.top("web_disk", "snapshot", 5)] == [2, 1]
    assert [row.figures["web_disk"] for row in usage_statistics.trend("all", 0, 20261101, 20261130)] == [40]
    rows = [{"service_id": 1, "day": 20250100 + day, "figures": {"web_disk": day, "web_in": 2}} for day in range(1, 32)]
    for row in rows:
        UsageHistory.create(**row)
    usage_statistics.purge(400, usage.now)
    assert UsageHistory.select().where(UsageHistory.day < 20251001).count() == 0
    month = UsageMonth.get((UsageMonth.service_id == 1) & (UsageMonth.month == 202501))
    assert month.figures == {"web_disk": 31, "web_in": 62}
    usage_statistics.purge(400, usage.now)  # folding twice changes nothing
    assert UsageMonth.get((UsageMonth.service_id == 1) & (UsageMonth.month == 202501)).figures == month.figures


def test_queries_of_a_dns_server_are_counted_across_its_restarts_and_by_day(usage: Usage) -> None:
    for day, counted in ((24, 1000), (24, 1500), (25, 1700), (25, 40), (25, 100), (25, None), (25, -5), (25, "9")):
        usage.now = usage.now.replace(day=day)
        usage.say("dns", {"s1": DNS}, queries=counted)
        assert usage.sync("dns1").status == "done"
    assert "queries is no whole number" in UsageCollection.get(UsageCollection.role == "dns").problems[0]
    number = Server.get(Server.name == "dns1").id
    assert usage_statistics.queries(202611) == {number: 500 + 200 + 40 + 60}
    usage_statistics.add_up(usage.now)
    by_server = {row["name"]: row for row in usage_statistics.totals("server")}
    assert by_server["dns1"]["dns_queries"] == 800 and "dns_queries" not in by_server["web1"]
    days = usage_statistics.trend("server", usage_statistics.scope_id("server", "dns1"), 20261101, 20261130)
    assert [(row.day, row.figures["dns_queries"]) for row in days] == [(20261125, 800)]
