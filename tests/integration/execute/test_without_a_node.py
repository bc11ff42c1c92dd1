"""What an attempt does when there is no server to work on: real processes of ansible, no lab."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import processes
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import PLAIN, WARM, ExecutorSettings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"
PLAY = """\
- name: Probe
  hosts: web
  gather_facts: false
  tasks:
    - name: Check on this machine
      ansible.builtin.command:
        argv: ["true"]
      changed_when: false
      delegate_to: localhost
      vars:
        ansible_connection: local
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
    - name: Report the result
      tenantry.hosting.report:
        results:
          - facts:
              number: "{{ (lookup('ansible.builtin.file', job_file) | from_json).number }}"
"""
TOUCH = PLAY.replace("      delegate_to: localhost\n", "").replace("        ansible_connection: local\n", "")


@pytest.fixture(params=[WARM, PLAIN])
def executor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[AnsibleExecutor]:
    """Yield an executor with two playbooks; afterwards nothing of it is left."""
    folder = tmp_path / "playbooks" / "probe"
    folder.mkdir(parents=True)
    (folder / "here.yml").write_text(PLAY)
    (folder / "there.yml").write_text(TOUCH)
    (tmp_path / "collections").symlink_to(PROJECT_ROOT / "collections")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    me = processes.identify(os.getpid())
    assert me is not None
    before = processes.find("no attempt", [me])  # the tests' database server among them
    executor = AnsibleExecutor(
        ExecutorSettings(project_root=tmp_path, run_root=tmp_path / "runs", private_key=key, mode=request.param)
    )
    assert executor.warm is None or executor.warm.is_ready(30), executor.warm.counts
    yield executor
    executor.close()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".creating"]
    left = processes.find("no attempt", [me]) - before
    assert not left, [Path(f"/proc/{one.pid}/cmdline").read_bytes() for one in left]


def run(executor: AnsibleExecutor, action: str, number: int = 1, port: int = 22) -> RunResult:
    host = Host(name="web1", address="127.0.0.1", port=port, roles=("web",), host_keys=(KEY,))
    return executor.run(RunRequest(action=action, host=host, job={"number": number}, timeout_seconds=60), lambda: False)


def test_attempts_at_the_same_time_do_not_meet(executor: AnsibleExecutor) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: run(executor, "probe.here", number), range(4)))
    assert [result.outcome for result in results] == [Outcome.OK] * 4
    assert [result.facts for result in results] == [{"number": number} for number in range(4)]


def test_a_port_that_nobody_listens_on_is_unreachable(executor: AnsibleExecutor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        result = run(executor, "probe.there", port=taken.getsockname()[1])
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "tcp")
