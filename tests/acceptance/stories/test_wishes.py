"""A wish in the midst of a deploy, wherever that is: the nodes end as if the deploy had been whole.

All services of a wish are deployed at once, and each is interrupted after another number of steps. What they leave behind is
compared with that of one that nobody interrupted, under names that are alike.
"""

from __future__ import annotations

import re
import time

import pytest

from demo.installation import Installation
from lab import snapshot
from tests.acceptance.stories import rows, world
from tests.acceptance.stories.conftest import Build, interruptions

pytestmark = pytest.mark.lab

CLEAN = 900  # the service that nobody interrupts
ENDS = {"suspend": "suspended", "redeploy": "active"}


def domain(service: int) -> str:
    return f"s{service}.test"


def interrupt(site: Installation, action: str, numbers: range) -> dict[int, int]:
    """Deploy services, ask for the action after a number of steps that is each one's own; returns service → steps."""
    waiting = {1000 + number: number for number in numbers}
    interrupted = dict(waiting)
    for service in waiting:
        world.insert(site, service, world.order(site, domain(service)))
    deadline = time.monotonic() + 600
    while waiting:
        assert time.monotonic() < deadline, waiting
        for service, number in list(waiting.items()):
            if rows.status(site, service) and rows.finished_steps(site, service) >= number:
                rows.ask(site, service, f"service.{action}")
                del waiting[service]
        time.sleep(0.05)
    return interrupted


def part_of(tree: snapshot.Tree, service: int, uid: int) -> dict[str, str]:
    """Return what of a node belongs to a service, with its names and numbers replaced, and nothing that is drawn anew."""
    number = str(service)
    found = {}
    for path, entry in tree.items():
        if f"w{number}" in path or domain(service) in path:
            kept = {key: value for key, value in entry.items() if key in ("type", "mode", "uid", "gid", "target")}
            text = " ".join(f"{key}={value}" for key, value in sorted(kept.items()))
            found[_alike(path, number, uid)] = _alike(text, number, uid)
    return found


def _alike(text: str, number: str, uid: int) -> str:
    text = text.replace(domain(int(number)), "DOMAIN").replace(f"w{number}", "USER").replace(f"s{number}", "OWNER")
    text = re.sub(r"\bdomain_id=\d+", "domain_id", text)
    text = re.sub(r"\b20\d{8}\b", "SERIAL", re.sub(rf"\b{uid}\b", "UID", text))
    return re.sub(r"(?<=v=STSv1; )id=[0-9a-f]{16}|p=[A-Za-z0-9+/=\" ]+|\$(2b|2y|6|5)\$\S+|\{[A-Z0-9-]+\}\S+", "…", text)


def ends(site: Installation, service: int) -> dict[str, dict[str, str]]:
    [(uid,)] = rows.query(site, "SELECT uid FROM services WHERE id = ?", service)
    return {name: part_of(tree, service, int(uid)) for name, tree in world.trees(site).items()}


@pytest.mark.parametrize("action", sorted(ENDS))
def test_a_wish_in_the_midst_ends_like_one_after_the_whole(
    build: Build, action: str, pytestconfig: pytest.Config
) -> None:
    site = build()
    site.start()
    world.insert(site, CLEAN, world.order(site, domain(CLEAN)))
    site.await_service(CLEAN)
    rows.done(site, CLEAN, f"service.{action}")
    interrupted = interrupt(site, action, interruptions(pytestconfig, action))
    for service in interrupted:
        site.await_service(service, ENDS[action], seconds=900)
    clean = ends(site, CLEAN)
    assert all(clean.values())
    for service, number in interrupted.items():
        found = ends(site, service)
        for node in clean:
            assert found[node] == clean[node], (action, f"after {number} steps", node)
    site.end()


def test_terminate_in_the_midst_leaves_nothing(build: Build, pytestconfig: pytest.Config) -> None:
    site = build()
    site.start()
    before = world.trees(site)
    interrupted = interrupt(site, "terminate", interruptions(pytestconfig, "terminate"))
    for service in interrupted:
        site.await_service(service, "terminated", seconds=900)
    assert world.difference(before, world.trees(site)) == []
    failed = rows.query(site, "SELECT id, error FROM operations WHERE status NOT IN ('done', 'cancelled')")
    assert failed == []
    site.end()
