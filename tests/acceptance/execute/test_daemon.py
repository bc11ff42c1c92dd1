"""`tenantry run` and `tenantry tick` as processes: a stop loses nothing, and both may run side by side."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest

from demo.installation import Installation, Node
from tests.acceptance.execute.bench import NODE, Bench, eventually, marked

SLOW = """\
- name: Prepare slowly
  hosts: web
  gather_facts: false
  tasks:
    - name: Check for a while
      ansible.builtin.raw: "echo ran >> /tmp/tenantry-runs; sleep 3"
      changed_when: false
    - name: Report the result
      tenantry.hosting.report:
        results: []
"""


class Site(Installation):
    """An installation whose server.prepare takes three seconds."""

    def insert(self, count: int = 1) -> None:
        """Insert task rows as a billing system does."""
        with sqlite3.connect(self.folder / "tenantry.db") as database:
            for _ in range(count):
                database.execute("INSERT INTO tasks (action, server_id) VALUES ('server.prepare', 1)")

    def statuses(self) -> Counter[str]:
        """Return how many tasks have each status."""
        with sqlite3.connect(self.folder / "tenantry.db") as database:
            return Counter(status for (status,) in database.execute("SELECT status FROM tasks"))


@pytest.fixture(scope="module")
def installed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return an installation with one server."""
    (bench.project / "playbooks" / "server").mkdir(exist_ok=True)
    (bench.project / "playbooks" / "server" / "prepare.yml").write_text(SLOW)
    more = {
        "TENANTRY_PROJECT_ROOT": str(bench.project),
        "TENANTRY_RUN_ROOT": str(bench.run_root),
        "TENANTRY_DRAIN_SECONDS": "60",
    }
    found = Site(tmp_path_factory.mktemp("site"), bench.lab, more=more)
    found.set_up([Node(name=NODE)])
    return found


@pytest.fixture
def site(bench: Bench, installed: Site) -> Site:
    """Return the installation without any task."""
    with sqlite3.connect(installed.folder / "tenantry.db") as database:
        database.execute("DELETE FROM tasks")
    installed.log.unlink(missing_ok=True)
    bench.on("rm", "-f", "/tmp/tenantry-runs")
    return installed


def run(site: Site) -> subprocess.Popen[bytes]:
    """Return the daemon as a child of this process, so that its exit code can be seen."""
    command = [sys.executable, "-m", "orchestrator", "run", "--log-json"]
    with site.log.open("ab") as log:
        return subprocess.Popen(command, env=site.environment, stdout=log, stderr=log)


def test_sigterm_finishes_what_has_begun_and_takes_nothing_new(bench: Bench, site: Site) -> None:
    site.insert(6)  # two more than a server takes at once

    with run(site) as daemon:
        eventually(lambda: any("sleep 3" in line for line in marked(bench.run_root).values()), 30, "an attempt runs")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(40) == 0, site.log.read_text()
    assert site.statuses() == {"done": 4, "queued": 2}
    assert len(bench.on("cat", "/tmp/tenantry-runs").split()) == 4


def test_a_second_sigterm_stops_at_once_and_nothing_is_left_running(bench: Bench, site: Site) -> None:
    site.insert()
    with run(site) as daemon:
        eventually(lambda: any("sleep 3" in line for line in marked(bench.run_root).values()), 30, "an attempt runs")
        daemon.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in site.log.read_text(), 10, "it drains")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 1
    assert site.statuses() == {"queued": 1}
    assert site.tenantry("tick").stdout.strip() == "1 tasks"
    assert site.statuses() == {"done": 1}


def test_passes_of_cron_beside_the_daemon_run_nothing_twice(bench: Bench, site: Site) -> None:
    site.insert(6)
    command = [sys.executable, "-m", "orchestrator", "tick"]
    with run(site) as daemon:
        ticks = [subprocess.Popen(command, env=site.environment, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [tick.wait(90) for tick in ticks] == [0, 0]
        eventually(lambda: site.statuses() == {"done": 6}, 60, "all are done")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(40) == 0
    assert len(bench.on("cat", "/tmp/tenantry-runs").split()) == 6


def test_after_kill_9_the_next_one_takes_over(bench: Bench, site: Site) -> None:
    site.insert()
    with run(site) as daemon:
        eventually(lambda: any("sleep 3" in line for line in marked(bench.run_root).values()), 30, "an attempt runs")
        os.kill(daemon.pid, signal.SIGKILL)
    eventually(lambda: not marked(bench.run_root), 15, "the attempt ends by itself")
    assert site.statuses() == {"running": 1}
    with run(site) as daemon:
        eventually(lambda: site.statuses() == {"done": 1}, 60, "it is done")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(40) == 0
