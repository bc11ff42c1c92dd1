"""The operator's statistics and every control of the queue, before a real orchestrator and what it has done on nodes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from demo import outside
from demo.installation import Installation
from lab import access, faults
from orchestrator.plan.usage.metrics import METRICS
from orchestrator.web.shell.formats import figure
from tests.acceptance.conftest import Build
from tests.acceptance.pages.served import OPERATOR, PATIENCE, Served, audited, write
from tests.acceptance.stories import rows, world
from tests.support import browser as chrome

pytestmark = pytest.mark.lab

DOMAIN, SERVICE = "shop.test", 1001
TITLES = {  # of the figures that the statistics show
    "disk": "Storage",
    "web_disk": "Web storage",
    "mail_disk": "Mail storage",
    "bandwidth": "Traffic of the month",
    "mailboxes": "Mailboxes",
    "databases": "Databases",
}
LARGE = 5 * 2**20
Figures = dict[tuple[str, str], int]


@pytest.fixture(scope="module")
def site(build: Build) -> Iterator[Installation]:
    """Yield an installation with one active service."""
    made = build()
    made.start()
    world.insert(made, SERVICE, world.order(made, DOMAIN))
    made.await_service(SERVICE, seconds=PATIENCE)
    yield made


def collected(served: Served) -> Figures:
    """Let the operator ask every server, and return what the command line exports: {(metric, period): value}."""
    [(last,)] = served.site.read("SELECT MAX(id) FROM tasks")
    console = served.console("statistics")
    console.click("text=Refresh all")
    expect(console.locator("main [role=status]").first).to_contain_text(f"{len(world.NODES)} servers are being asked")
    asked = "SELECT status FROM tasks WHERE action = 'server.sync_usage' AND id > ?"
    done = [("done",)] * len(world.NODES)
    world.eventually(lambda: served.site.read(asked, last) == done, PATIENCE, "every server was asked")
    told = json.loads(served.site.tenantry("usage", "export", "--format", "json").stdout)
    assert {row["service_id"] for row in told} == {SERVICE}
    return {(row["metric"], row["period"]): row["value"] for row in told}


@pytest.fixture(scope="module")
def figures(served: Served) -> tuple[Figures, Figures]:
    """Return what was collected before and after a large file was put on the website and fetched twice."""
    before = collected(served)
    access.on(served.site.lab, "web1", "sh", "-c", f"head -c {LARGE} /dev/urandom > /home/w{SERVICE}/www/large")
    for _ in range(2):
        outside.page(world.address(served.site, "web1"), DOMAIN, path="/large")
    return before, collected(served)


def month_of(figures: Figures) -> str:
    """Return the month that counters belong to."""
    [month] = {period for _, period in figures} - {"snapshot"}
    return month


def cells(page: Page, row: str) -> list[str]:
    """Return the cells of the one row of the page's tables that has a text."""
    return page.locator("tbody tr", has_text=row).locator("td").all_inner_texts()


def test_a_services_figures_are_what_its_node_holds_and_the_command_line_prints(
    served: Served, figures: tuple[Figures, Figures]
) -> None:
    before, now = figures
    assert now["web_disk", "snapshot"] - before["web_disk", "snapshot"] == LARGE
    counter = ("bandwidth", month_of(now))
    assert now[counter] - before[counter] > 2 * LARGE
    shown = served.site.json("usage", "show", str(SERVICE))["figures"]
    assert {(row["metric"], row["period"]): row["value"] for row in shown} == now
    page = served.console(f"statistics/{SERVICE}")
    lines = [line.locator("td") for line in page.locator("tbody tr", has=page.locator("td[title]")).all()]
    found = {(line.nth(0).inner_text(), line.nth(2).inner_text()): line.nth(1).get_attribute("title") for line in lines}
    assert found == {(METRICS[name].help, period): str(value) for (name, period), value in now.items()}
    chrome.shot(page, "live-console-usage")


def test_the_sums_are_those_of_the_command_line(served: Served, figures: tuple[Figures, Figures]) -> None:
    site, (_, now) = served.site, figures
    site.tenantry("tick")  # cron's pass adds the sums up; a running orchestrator does so every quarter of an hour
    [sums] = site.json("usage", "show")
    assert {name: sums[name] for name in TITLES} == {
        name: now[name, month_of(now) if METRICS[name].is_counter else "snapshot"] for name in TITLES
    }
    words = {TITLES[name]: figure(sums[name], METRICS[name].unit) for name in TITLES}
    page = served.console("statistics")
    tiles = [line.inner_text().split("\n") for line in page.locator(".figures li").all()]
    assert dict(tiles) == {"Services": "1"} | words
    assert cells(page, DOMAIN)[:-1] == [str(SERVICE), DOMAIN, *words.values()]
    for row in site.json("usage", "show", "--by", "server"):
        shown = [
            figure(row[name], METRICS[name].unit) if name in row else "–" for name in ("disk", "bandwidth", "mailboxes")
        ]
        assert cells(page, row["name"]) == [row["name"], str(row["services"]), *shown]
    expect(page.locator(".plot canvas")).to_be_visible()
    chrome.shot(page, "live-console-statistics")


class Queue:
    """The queue as the operator works with it, and as the database has it."""

    def __init__(self, served: Served) -> None:
        self.served, self.site = served, served.site

    def press(self, button: str, status: str, *numbers: int) -> str:
        """Tick tasks among those of a state, all of them when none is named; press a button and return what is said."""
        page = self.served.console(f"tasks?status={status}")
        for number in numbers:
            page.check(f"input[name=id][value='{number}']")
        if not numbers:
            page.check(".tick-all")
        expect(page.locator("[data-ticked]")).to_have_text(f"{len(numbers) or len(self.of(status))} chosen")
        page.click(f".bulk button >> text={button}")
        return page.locator("main .notice").first.inner_text()

    def clean(self, status: str) -> str:
        """Clean up what has ended in one state and return what is said."""
        page = self.served.console("tasks")
        page.click("summary")
        for one in ("done", "error", "cancelled"):
            page.set_checked(f"details input[value={one}]", one == status)
        page.click("text=Delete all of these")
        return page.locator("main .notice").first.inner_text()

    def status(self, *numbers: int) -> list[str]:
        """Return the states of tasks, "" of those that are not there any more."""
        found = dict(self.site.read("SELECT id, status FROM tasks"))
        return [str(found.get(number, "")) for number in numbers]

    def of(self, status: str) -> set[int]:
        """Return the tasks of a state."""
        return {number for (number,) in self.site.read("SELECT id FROM tasks WHERE status = ?", status)}

    def unfinished(self) -> set[int]:
        """Return the done steps of operations that have not ended."""
        running = "(SELECT id FROM operations WHERE status = 'running')"
        found = self.site.read(f"SELECT id FROM tasks WHERE status = 'done' AND operation_id IN {running}")
        return {number for (number,) in found}


@pytest.fixture(scope="module")
def queue(served: Served) -> Queue:
    """Return the queue."""
    return Queue(served)


class Left(NamedTuple):
    """The queue's tasks after its orchestrator was killed; nobody takes any until another is started."""

    refused: list[int]
    stuck: int  # a step that was running
    tomorrow: list[int]  # looks at the four servers


@pytest.fixture(scope="module")
def left(served: Served, queue: Queue) -> Left:
    """Let two wishes be refused, kill the orchestrator in the midst of a step, and ask for looks at the servers tomorrow."""
    site = served.site
    for version in ("0.1", "0.2"):
        rows.refused(site, SERVICE, "web.php_present", {"version": version})
    refused = sorted(queue.of("error"))
    stuck = killed_within_a_step(site)
    # As if nobody had seen it for days.
    write(site, "UPDATE tasks SET started_at = '2026-01-01 00:00:00.000000' WHERE id = ?", stuck)
    return Left(refused, stuck, [look_tomorrow(site, node.name) for node in world.NODES])


def killed_within_a_step(site: Installation) -> int:
    """Kill the orchestrator while it tries a step on a server that nobody reaches, after others were done elsewhere.

    Returns the step.
    """
    running = (
        "SELECT t.id FROM tasks t JOIN servers s ON s.id = t.server_id WHERE t.status = 'running' AND s.name = 'web1'"
        " AND t.started_at IS NOT NULL"  # what is to follow it in its run has not begun
        " AND EXISTS (SELECT 1 FROM tasks d WHERE d.operation_id = t.operation_id AND d.status = 'done')"
    )
    faults.link_down(site.lab, "web1")
    try:
        rows.ask(site, SERVICE, "service.redeploy")
        world.eventually(lambda: bool(site.read(running)), PATIENCE, "a step is tried on web1")
        site.end(signal.SIGKILL)
    finally:
        faults.link_up(site.lab, "web1")
    [(number,)] = site.read(running)
    return int(number)


def look_tomorrow(site: Installation, server: str) -> int:
    """Ask for a look at a server tomorrow."""
    statement = (
        "INSERT INTO tasks (action, server_id, run_after) SELECT 'server.sync_status', id, "
        "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 day') FROM servers WHERE name = ?"
    )
    return write(site, statement, server)


def test_a_step_that_nobody_carries_out_any_more_is_force_failed(served: Served, queue: Queue, left: Left) -> None:
    page = served.console(f"tasks/{left.stuck}")
    expect(page.locator(".notice-bad")).to_contain_text("running for longer than a task should")
    chrome.shot(page, "live-console-stuck")
    page.click("button >> text=Force-fail")
    expect(page.locator("h1")).to_contain_text("error")
    [row] = served.site.read("SELECT status, error FROM tasks WHERE id = ?", left.stuck)
    assert row == ("error", f"force-failed by user:{OPERATOR}")
    assert rows.status(served.site, SERVICE) == "failed"


def test_retry_cancel_and_run_now(served: Served, queue: Queue, left: Left) -> None:
    assert "1 of 1 tasks: retry" in queue.press("Retry", "error", left.stuck)
    assert queue.status(left.stuck) == ["queued"] and rows.status(served.site, SERVICE) == "deploying"
    today, *others = left.tomorrow
    assert "3 of 3 tasks: cancel" in queue.press("Cancel", "queued", *others)
    assert queue.status(today, *others) == ["queued", "cancelled", "cancelled", "cancelled"]
    assert "1 of 1 tasks: run-now" in queue.press("Run now", "queued", today)
    due = "SELECT run_after <= strftime('%Y-%m-%d %H:%M:%f000', 'now') FROM tasks WHERE id = ?"
    assert served.site.read(due, today) == [(1,)]


def test_delete_of_each_state_and_of_all_on_a_page(queue: Queue, left: Left) -> None:
    ended = max(queue.of("done") - queue.unfinished())
    for status, number in (("done", ended), ("error", left.refused[0]), ("cancelled", left.tomorrow[1])):
        before = queue.of(status)
        assert "Deleted 1 tasks" in queue.press("Delete", status, number)
        assert queue.of(status) == before - {number}
    needed = max(queue.unfinished())
    assert "1 stay" in queue.press("Delete", "done", needed)
    assert queue.status(needed) == ["done"]
    assert "Deleted 1 tasks" in queue.press("Delete", "error")
    assert queue.of("error") == set() and queue.of("cancelled") == set(left.tomorrow[2:])


def test_clean_up_of_each_state(served: Served, queue: Queue, left: Left) -> None:
    error = write(served.site, "INSERT INTO tasks (action, status) VALUES ('server.sync_status', 'error')")
    assert "Deleted 2 tasks: cancelled" in queue.clean("cancelled")
    assert queue.of("cancelled") == set() and queue.of("error") == {error}
    assert "Deleted 1 tasks: error" in queue.clean("error")
    needed = queue.unfinished()
    count = len(queue.of("done") - needed)
    assert count > 0 and needed and queue.of("error") == set()
    assert f"Deleted {count} tasks: done" in queue.clean("done")
    assert queue.of("done") == needed, "what an operation that has not ended needs stays"
    chrome.shot(served.console("tasks"), "live-console-queue")


def test_the_next_orchestrator_carries_out_what_was_asked_for(served: Served, queue: Queue, left: Left) -> None:
    site = served.site
    site.start()
    site.await_service(SERVICE, seconds=PATIENCE)
    asked = (left.stuck, left.tomorrow[0])
    world.eventually(lambda: queue.status(*asked) == ["done", "done"], PATIENCE, "both are carried out")
    assert queue.of("error") == set()
    status, body = outside.page(world.address(site, "web1"), DOMAIN)
    assert status == 200 and outside.WELCOME in body
    did = {action for actor, action in audited(site) if actor == f"user:{OPERATOR}"}
    assert {f"tasks {one}" for one in ("retry", "cancel", "run-now", "delete", "clean")} | {"task force-fail"} <= did
