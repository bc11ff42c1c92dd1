"""Nothing to do: no task, and no service whose certificate is looked after."""

from __future__ import annotations

import argparse
import time

from bench.figures import Figure
from bench.memory import family, processor_seconds, resident
from bench.site import connected, wait_for
from demo.installation import Installation
from orchestrator.models.task import Task

QUIET_SECONDS = 35.0  # after half a minute without a task it looks less often


def run(options: argparse.Namespace, site: Installation) -> list[Figure]:
    """Measure what an orchestrator uses that has nothing to do."""
    pid, seconds = site.pid(), options.idle_seconds
    assert pid is not None
    with connected(site):
        open_tasks = Task.select().where(Task.status << ["queued", "running"])
        wait_for(lambda: not open_tasks.exists(), 120, "nothing is due")
    time.sleep(QUIET_SECONDS)
    before = processor_seconds(pid)
    time.sleep(seconds)
    used = processor_seconds(pid) - before
    memory = sum(resident(one) for one in family(pid)) / 2**20
    return [
        Figure(name="processor", value=100 * used / seconds, unit="% of a core", note=f"wanted: ≤ 1; {seconds} s"),
        Figure(name="memory", value=memory, unit="MiB", note="proportional, its template included"),
    ]
