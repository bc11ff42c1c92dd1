"""Collections that fail are told once; and what a service used last is counted before it is removed."""

from __future__ import annotations

from orchestrator.core.clock import utc_now
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store import services, tasks, usage_requests
from orchestrator.store.database import transaction
from tests.integration.usage.conftest import WEB, Usage, current, notices


def test_a_server_whose_collections_fail_is_told_once_and_again_when_they_steadily_work(usage: Usage) -> None:
    broken = RunResult(outcome=Outcome.INVALID, message="the node is broken")
    usage.say("web", {"s1": WEB})
    for fails in (None, broken, broken, None, broken, None):
        usage.fails = fails
        usage.sync()
    assert [one["server"] for one in notices("sync_failing")] == ["web1"]
    assert "the node is broken" in notices("sync_failing")[0]["error"]
    assert notices("sync_working") == [] and notices("task_failed") == []
    usage.sync()
    usage.sync()
    assert len(notices("sync_working")) == 1
    usage.fails = broken
    usage.sync()
    usage.sync("mail1")  # another server is another matter
    assert [one["server"] for one in notices("sync_failing")] == ["web1", "web1", "mail1"]


def test_traffic_is_counted_after_the_site_has_gone_and_before_its_logs_do(usage: Usage) -> None:
    usage.say("web", {"s1": WEB | {"days": "20261125:10:100"}})
    usage.sync()
    usage.say("web", {"s1": WEB | {"days": "20261125:11:123"}})
    tasks.enqueue("service.terminate", service_id=1)
    usage.bench.settle(60)
    assert services.get(1).status == "terminated"
    order = [one.action for one in usage.bench.executor.requests if one.host.name == "web1"]
    assert order[-3:] == ["web.domain_absent", "server.sync_usage", "web.account_absent"]
    assert current(1)[("bandwidth", "2026-11")] == 134


def test_a_look_that_fails_does_not_keep_the_account(usage: Usage) -> None:
    fleet_store.set_knob("tasks.backoff_minutes", "60", "test")
    usage.fails = RunResult(outcome=Outcome.FAILED, message="the collector does not end")
    tasks.enqueue("service.terminate", service_id=1)
    usage.bench.settle(60, until=lambda: services.get(1).status == "terminated")
    assert Task.get(Task.action == usage_requests.USAGE).status == "queued"  # and it is tried again for the others


def test_a_look_that_began_before_the_site_had_gone_is_not_the_last_one(usage: Usage) -> None:
    number = Server.get(Server.name == "web1").id
    running = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "test"))
    Task.update(status="running", lease_owner="another").where(Task.id == running).execute()
    tasks.enqueue("service.terminate", service_id=1)
    usage.bench.settle(60, until=lambda: bool(Task.get_or_none(Task.error.contains("needs the next look"))))
    assert services.get(1).status == "terminating"
    Task.update(status="done", lease_owner=None).where(Task.id == running).execute()
    Task.update(run_after=utc_now()).where(Task.action == "service.usage_last").execute()
    usage.bench.settle(60, until=lambda: services.get(1).status == "terminated")
    asked = Task.select().where((Task.action == usage_requests.USAGE) & (Task.server_id == number)).order_by(Task.id)
    assert [row.status for row in asked] == ["done", "done"]
