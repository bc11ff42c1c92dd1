"""What every playbook and role has in common, read from the files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.lifecycle import create
from orchestrator.plan import jobs
from orchestrator.plan.catalog import CATALOG
from tests.support.snapshots import a_full_service

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path for path in ROOT.glob("playbooks/*/*.yml") if path.parent.name != "_tasks")
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
JOB = "{{ lookup('ansible.builtin.file', job_file | realpath) | from_json }}"
CONSTANT_LOOKUP = re.compile(r"lookup\('ansible\.builtin\.(?:template|file)', '[a-z0-9_./-]+'\)")  # a role's own file
COMMANDS = ("ansible.builtin.command", "ansible.builtin.shell", "ansible.builtin.raw", "ansible.builtin.script")


def action_of(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


def play(path: Path) -> dict[str, Any]:
    """Return the one play of a playbook."""
    plays = yaml.safe_load(path.read_text())
    assert len(plays) == 1
    return dict(plays[0])


def tasks_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every task of a file, those inside blocks too."""
    rest = list(yaml.safe_load(path.read_text()) or [])
    while rest:
        task = rest.pop(0)
        yield task
        for part in ("block", "rescue", "always", "tasks", "handlers"):
            rest += task.get(part) or []


def test_catalogue_and_playbooks_name_the_same_actions() -> None:
    steps = {action.name for action in CATALOG.values() if action.kind == "step"}
    assert {action_of(path) for path in PLAYBOOKS} == steps


@pytest.mark.parametrize("path", PLAYBOOKS, ids=action_of)
def test_a_playbook_reads_its_job_as_data_checks_it_and_reports(path: Path) -> None:
    found = play(path)
    assert found["vars"]["job"] == JOB
    assert found["vars"]["playbook_action"] == action_of(path)
    assert found["gather_facts"] is False
    first, last = found["tasks"][0], found["tasks"][-1]
    assert first["ansible.builtin.import_tasks"] == "../_tasks/preflight.yml"
    assert "tenantry.hosting.report" in last


@pytest.mark.parametrize("path", PLAYBOOKS, ids=action_of)
def test_a_playbook_accepts_what_it_reads_and_what_the_planner_sends(path: Path) -> None:
    accepted = set(play(path)["vars"]["playbook_accepts"])
    assert set(re.findall(r"job\.params(?:\.|\[')(\w+)", path.read_text())) == accepted
    if path.parent.name != "server":
        named = {"local_part": "postmaster", "domain": "shop.test", "record": "dkim", "name": "x", "former": "old.test"}
        service = a_full_service(removing=action_of(path).endswith("_absent"))
        service = replace(service, web_held=action_of(path) == "web.account_suspended")
        job = jobs.build(action_of(path), service, named, "key", 1)
        assert set(job["params"]) <= accepted


@pytest.mark.parametrize("path", PLAYBOOKS, ids=action_of)
def test_a_playbook_has_an_example(path: Path) -> None:
    example = json.loads((ROOT / "playbooks/examples" / f"{action_of(path).replace('.', '_')}.json").read_text())
    assert example["action"] == action_of(path)
    assert isinstance(example["params"], dict)


@pytest.mark.parametrize(
    "path", [*PLAYBOOKS, *ROOT.glob("roles/*/*/*.yml")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_job_value_is_an_argument_of_a_lookup_or_an_expression(path: Path) -> None:
    text = CONSTANT_LOOKUP.sub("", path.read_text().replace(JOB, ""))
    assert not re.search(r"\b(lookup|query)\(|with_(pipe|file|lines)|trust_as_template", text)
    assert "ignore_errors" not in text


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_has_a_contract_a_readme_and_prefixed_variables(role: Path) -> None:
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert spec.get("short_description")
    options = spec.get("options") or {}
    assert all(name.startswith(f"{role.name}_") for name in options)
    assert all(option.get("description") for option in options.values())
    defaults_file = role / "defaults/main.yml"
    defaults = (yaml.safe_load(defaults_file.read_text()) or {}) if defaults_file.exists() else {}
    assert set(defaults) <= set(options)
    readme = (role / "README.md").read_text()
    assert all(name in readme for name in options), [name for name in options if name not in readme]


def test_mail_nodes_know_the_selector_that_services_begin_with() -> None:
    defaults = yaml.safe_load((ROOT / "roles/node_mail/defaults/main.yml").read_text())
    assert defaults["node_mail_dkim_selector"] == create.SELECTOR


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_says_of_every_command_when_it_changes_something(role: Path) -> None:
    wrong = [
        f"{path.name}: {task.get('name')}"
        for path in role.glob("*/*.yml")
        if path.parent.name in ("tasks", "handlers")
        for task in tasks_of(path)
        if any(command in task for command in COMMANDS) and "changed_when" not in task
    ]
    assert wrong == []
