"""What holds for each playbook alike: check mode touches nothing, the second run changes nothing, text stays text.

Each is run in both modes, and what one has made the other finds as it should be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from demo.installation import Installation, Node
from lab import access, nodes, snapshot
from lab.config import Lab
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.settings import PLAIN
from tests.support import examples
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parents[3]
NODE = {"web": "web7", "mail": "mail7", "dns": "dns7"}
SERVICE = 1001
CANARY = "/tmp/tenantry-canary"
# On a factory-new node these have nothing to do.
TAKING_AWAY = ("_absent", "_active", "_served", "_renamed")
# Every syntax that somebody might evaluate: Jinja, YAML tags, the shell, SQL, configuration files.
CORPUS = (
    f"{{{{ lookup('pipe', 'touch {CANARY}') }}}} {{% raw %}}x{{% endraw %}} {{# note #}} !unsafe y "
    f"$(touch {CANARY}) `touch {CANARY}` ';--\" }} \\ %"
)


@pytest.fixture(scope="module")
def fresh(lab: Lab) -> Iterator[Lab]:
    """Yield a lab with one factory-new node of each kind."""
    nodes.up(lab, NODE.values())
    yield lab
    nodes.down(lab, NODE.values())


@pytest.fixture(scope="module")
def plain(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """Return what runs playbooks without anything that is kept in memory or open."""
    return Steps(lab, tmp_path_factory.mktemp("plain"), PLAIN)


def said(result: RunResult) -> tuple[object, ...]:
    """Return all that a result tells but how long it took."""
    events = [(one.task, one.status, one.message, one.diff) for one in result.events]
    return (result.outcome, result.reason, result.message, result.facts, result.usage, result.warnings, events)


def node_of(action: str) -> str:
    return NODE[action.partition(".")[0]]


def on_every_node(work: Callable[[str], T]) -> list[tuple[str, T]]:
    """Do the same on all nodes at once and return (node, result) of each."""
    with ThreadPoolExecutor() as pool:
        return list(zip(NODE.values(), pool.map(work, NODE.values()), strict=True))


def trees(lab: Lab) -> dict[str, snapshot.Tree]:
    return {name: snapshot.tree(lab, name) for name in NODE.values()}


def changes(before: dict[str, snapshot.Tree], lab: Lab) -> list[str]:
    after = trees(lab)
    return [f"{name}: {line}" for name in before for line in snapshot.diff(before[name], after[name])]


def test_every_step_has_an_example_and_a_place_in_the_order() -> None:
    assert sorted(examples.steps()) == sorted(examples.ORDER)
    for action in examples.ORDER:
        assert examples.job(action)["action"] == action


def test_check_mode_on_a_factory_new_node_succeeds_and_changes_nothing(fresh: Lab, steps: Steps) -> None:
    before = trees(fresh)
    for node, result in on_every_node(lambda node: steps.prepare(node, check=True)):
        assert result.outcome is Outcome.CHANGED, (node, result)

    def rehearse(node: str) -> list[tuple[str, RunResult]]:
        actions = [action for action in examples.ORDER if node_of(action) == node]
        return [(one, steps.run(node, one, examples.params(one), service=SERVICE, check=True)) for one in actions]

    for _, results in on_every_node(rehearse):
        for action, result in results:
            assert result.outcome.is_success, (action, result.message)
            if not action.endswith(TAKING_AWAY):
                assert any(event.diff for event in result.events), action
    assert changes(before, fresh) == []


def test_the_preparation_run_twice_changes_nothing(fresh: Lab, steps: Steps) -> None:
    for node, result in on_every_node(steps.prepare):
        assert result.outcome is Outcome.CHANGED, (node, result)
    before = trees(fresh)
    for check in (False, True):
        for node, result in on_every_node(lambda node: steps.prepare(node, check=check)):  # noqa: B023 - used at once
            assert result.outcome is Outcome.OK, (node, [event for event in result.events if event.status == "changed"])
    assert changes(before, fresh) == []


@pytest.mark.parametrize("action", examples.ORDER)
def test_a_second_run_changes_nothing_and_text_in_any_field_is_refused_or_stays_text(
    fresh: Lab, steps: Steps, plain: Steps, action: str, pytestconfig: pytest.Config
) -> None:
    """Both in one test, in the order of a service's life: a later step of the list takes away what an earlier one made.

    Every second step is made in plain mode.
    """
    node, params = node_of(action), examples.params(action)
    maker = plain if examples.ORDER.index(action) % 2 else steps
    first = maker.run(node, action, params, service=SERVICE)
    assert first.outcome is Outcome.CHANGED, (first.outcome, first.message)
    before = snapshot.tree(fresh, node, exclude=("/var/lib/tenantry/guard/*",))
    for check in (False, True):
        result = steps.run(node, action, params, service=SERVICE, check=check)
        assert result.outcome is Outcome.OK, (check, result.outcome, result.message, result.events)
        assert said(plain.run(node, action, params, service=SERVICE, check=check)) == said(result)
    # By default without removals: they have the fields of what they take away.
    if pytestconfig.getoption("--thorough") or not action.endswith(TAKING_AWAY):
        try_every_text(fresh, steps, action)
    assert not Path(CANARY).exists()
    assert access.on(fresh, node, "test", "-e", CANARY, check=False).returncode == 1
    after = snapshot.tree(fresh, node, exclude=("/var/lib/tenantry/guard/*",))
    assert snapshot.diff(before, after) == []


def try_every_text(fresh: Lab, steps: Steps, action: str) -> None:
    """Give the corpus in the place of every text, and parameters that ansible would take for its own."""
    node, params = node_of(action), examples.params(action)
    for path in examples.texts(params):
        result = steps.run(node, action, examples.replaced(params, path, CORPUS), service=SERVICE)
        assert result.outcome in (Outcome.INVALID, Outcome.CHANGED, Outcome.OK), (path, result)
        if result.outcome is Outcome.INVALID:
            assert result.message, path
        else:  # where it is legitimate it is put back, so that the trees can be compared
            assert steps.run(node, action, params, service=SERVICE).outcome.is_success
    for key in ("__ansible_type", "__ansible_unsafe", "ansible_connection"):
        result = steps.run(node, action, {**params, key: "local"}, service=SERVICE)
        assert not result.outcome.is_success, (key, result)


def test_an_engineer_runs_a_playbook_by_hand_with_the_servers_table(fresh: Lab, steps: Steps, tmp_path: Path) -> None:
    site = Installation(tmp_path, fresh)
    site.set_up([Node(name=NODE["web"])])
    for action in ("web.package_present", "web.user_present", "web.domain_present"):
        assert steps.run(NODE["web"], action, examples.params(action), service=SERVICE).outcome.is_success
    by_hand = examples.job(action)
    by_hand.setdefault("service", {"id": SERVICE, "owner": f"s{SERVICE}"})
    job_file = tmp_path / "job.json"
    job_file.write_text(json.dumps(by_hand))
    command = [
        *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory/tenantry.yml"),
        *(
            "playbooks/web/domain_present.yml",
            "--limit",
            NODE["web"],
            "-e",
            f"job_file={job_file}",
            "--check",
            "--diff",
        ),
        *("--private-key", str(fresh.key)),
    ]
    environment = {**os.environ, **site.environment, "ANSIBLE_HOME": str(tmp_path / "ansible")}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout and "failed=0" in done.stdout
