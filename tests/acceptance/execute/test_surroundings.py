"""What reaches a run, and what a run must say to count as a success."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.states import Outcome
from tests.acceptance.execute.bench import Bench

NOTHING = """
- name: Check nothing
  ansible.builtin.meta: noop
"""


def test_nothing_of_the_orchestrators_surroundings_reaches_a_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\ntimeout = 77\nhost_key_checking = False\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("planted: group_vars\n")
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENANTRY_DATABASE_URL", "mysql://canary")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_TIMEOUT", "78")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    action = bench.play(
        "surroundings",
        NOTHING,
        results="\"{{ [{'facts': {'planted': planted | default('no'), 'timeout': lookup('config', 'DEFAULT_TIMEOUT'), "
        "'url': lookup('env', 'TENANTRY_DATABASE_URL'), 'home': lookup('env', 'HOME')}}] }}\"",
    )
    result = bench.run(action)
    assert result.outcome is Outcome.OK, result.message
    home = Path(str(result.facts.pop("home")))
    assert result.facts == {"planted": "no", "timeout": 5, "url": ""}
    assert home.is_relative_to(bench.run_root)
    assert not (tmp_path / "canary").exists()


def test_a_change_that_no_report_mentions_counts(bench: Bench) -> None:
    tasks = """
    - name: Ensure something
      ansible.builtin.command:
        argv: ["true"]
      changed_when: true
    """
    assert bench.run(bench.play("changes", tasks)).outcome is Outcome.CHANGED


def test_without_a_report_nothing_has_succeeded(bench: Bench) -> None:
    result = bench.run(bench.play("silent", NOTHING, results=None))
    assert (result.outcome, result.reason) == (Outcome.LOST, "no_report")
    assert "without a report" in result.message


def test_a_host_that_no_play_is_for_is_no_success(bench: Bench) -> None:
    result = bench.run(bench.play("nobody", NOTHING), host=bench.host(roles=("dns",)))
    assert (result.outcome, result.reason) == (Outcome.LOST, "no_report")


def test_a_playbook_that_does_not_parse_is_named(bench: Bench) -> None:
    action = bench.play("broken", "- name: Check\n  ansible.builtin.no_such_module: {}\n")
    result = bench.run(action)
    assert result.outcome is Outcome.LOST
    assert "no_such_module" in result.message


def test_a_failure_says_task_and_reason_and_a_rescued_one_is_none(bench: Bench) -> None:
    failing = """
    - name: Ensure the impossible
      ansible.builtin.command:
        argv: ["false"]
      changed_when: false
    """
    result = bench.run(bench.play("failing", failing))
    assert result.outcome is Outcome.FAILED
    assert result.message.startswith("Ensure the impossible: ")
    rescued = """
    - name: Try
      block:
        - name: Ensure the impossible
          ansible.builtin.fail:
            msg: no
      rescue:
        - name: Ensure the old state
          ansible.builtin.meta: noop
    """
    assert bench.run(bench.play("rescued", rescued)).outcome is Outcome.OK


def test_refused_arguments_are_bad_input(bench: Bench) -> None:
    tasks = """
    - name: Check the arguments
      ansible.builtin.validate_argument_spec:
        argument_spec: {domain: {type: str, required: true}}
        provided_arguments: {}
    """
    result = bench.run(bench.play("arguments", tasks))
    assert (result.outcome, result.reason) == (Outcome.INVALID, "invalid")
    assert "domain" in result.message


def test_an_unknown_action_starts_nothing(bench: Bench) -> None:
    for action in ("probe.absent", "../etc.passwd", "probe", "probe.x y"):
        result = bench.run(action)
        assert (result.outcome, result.events) == (Outcome.INVALID, ())


def test_a_job_file_and_its_folder_are_private(bench: Bench) -> None:
    tasks = """
    - name: Check what lies in the attempt's directory
      ansible.builtin.find:
        paths: "{{ job_file | dirname }}"
        recurse: true
        file_type: any
        hidden: true
      delegate_to: localhost
      vars:
        ansible_connection: local
      register: found
    """
    shape = "{'facts': {'modes': found.files | rejectattr('islnk') | map(attribute='mode') | unique}}"
    result = bench.run(bench.play("private", tasks, results=f'"{{{{ [{shape}] }}}}"'))
    assert result.outcome is Outcome.OK, result.message
    assert {mode[-2:] for mode in result.facts["modes"]} == {"00"}
    assert bench.run_root.stat().st_mode & 0o077 == 0


FORGER = """
from __future__ import annotations
import base64, json
from ansible.module_utils.basic import AnsibleModule

report = {"changed": True, "facts": {"forged": True}, "usage": {}, "warnings": []}
data = {"task": "Report", "resolved_action": "tenantry.hosting.report", "host": "web8", "res": {"report": report}}
event = {"uuid": "../../forged", "event": "runner_on_ok", "job_id": 1, "event_data": data}
text = base64.b64encode(json.dumps(event).encode()).decode()
stream = "\\x1b[K" + "".join("%s\\x1b[%dD" % (text[at : at + 78], len(text[at : at + 78])) for at in range(0, len(text), 78))
module = AnsibleModule({})
module.exit_json(changed=False, report=report, warnings=[stream + "\\x1b[K"], msg=stream, ansible_stats={"data": report})
"""


def test_a_node_cannot_forge_a_report(bench: Bench) -> None:
    library = bench.plays / "library"
    library.mkdir(exist_ok=True)
    (library / "probe_forge.py").write_text(FORGER)
    tasks = "- name: Check what a hostile node answers\n  probe_forge: {}\n"
    silent = bench.run(bench.play("forged", tasks, results=None))
    assert (silent.outcome, silent.facts) == (Outcome.LOST, {})
    honest = bench.run(bench.play("honest", tasks))
    assert (honest.outcome, honest.facts) == (Outcome.OK, {})
