"""Which process attempts are forked from, and what happens when there is none to trust."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute.base import Chain
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import WARM, ExecutorSettings
from orchestrator.execute.warm import launcher as launchers
from orchestrator.execute.warm.launcher import Launcher

PLAY = """\
- name: Probe
  hosts: web
  gather_facts: false
  connection: local
  vars:
    ansible_connection: local
    job: "{{ lookup('ansible.builtin.file', job_file | realpath) | from_json }}"
    by: "{{ lookup('ansible.builtin.pipe', 'xargs -0 </proc/$PPID/cmdline') }}"  # how the process was started
    said: {heard: "{{ job.params.say }}", host: "{{ inventory_hostname }}", tmp: "{{ lookup('env', 'TMPDIR') }}", by: "{{ by }}"}
  tasks:
    - name: Report the result
      tenantry.hosting.report:
        results: "{{ [{'facts': said}] }}"
"""
# Whatever ansible does between tasks, and who does it.
LONG = """\
- name: Probe
  hosts: web
  gather_facts: false
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    by: "{{ lookup('ansible.builtin.pipe', 'echo $PPID') }}"
  handlers:
    - name: Told
      ansible.builtin.set_fact: {told: "{{ by }}"}
  tasks:
    - name: Keep a fact
      ansible.builtin.set_fact: {first: "{{ by }}"}
    - name: Run a module for each word
      ansible.builtin.command: {argv: [echo, "{{ word }}"]}
      loop: [one, two]
      loop_control: {loop_var: word}
      register: echoed
      changed_when: true
      notify: Told
    - name: Keep a variable to itself
      ansible.builtin.debug: {msg: "{{ mine }}"}
      vars: {mine: here}
    - name: Skip
      ansible.builtin.fail: {msg: never}
      when: mine is defined
    - name: Rescue
      block:
        - name: Fail
          ansible.builtin.fail: {msg: "{{ absent | default('no') }}"}
      rescue:
        - name: Know why
          ansible.builtin.set_fact: {why: "{{ ansible_failed_result.msg }}"}
    - name: Tell
      ansible.builtin.meta: flush_handlers
    - name: Report the result
      tenantry.hosting.report:
        results: "{{ [{'facts': {'words': words, 'why': why, 'by': [first, told, by]}}] }}"
      vars:
        words: "{{ echoed.results | map(attribute='stdout') | list }}"
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[AnsibleExecutor]:
    """Yield a warm executor with one playbook that says what it was told."""
    folder = tmp_path / "playbooks" / "probe"
    folder.mkdir(parents=True)
    (folder / "here.yml").write_text(PLAY)
    (folder / "long.yml").write_text(LONG)
    (tmp_path / "collections").symlink_to(PROJECT_ROOT / "collections")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    executor = AnsibleExecutor(
        ExecutorSettings(project_root=tmp_path, run_root=tmp_path / "runs", private_key=key, mode=WARM)
    )
    yield executor
    executor.close()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".creating"]


def warm(executor: AnsibleExecutor) -> Launcher:
    """Return what forks, with a template that is ready."""
    assert executor.warm is not None
    assert executor.warm.is_ready(30), executor.warm.counts
    return executor.warm


def run(executor: AnsibleExecutor, say: str, name: str = "here1", action: str = "probe.here") -> RunResult:
    """Run a playbook on this machine, under the name of some server that nobody connects to."""
    host = Host(name=name, address="127.0.0.1", login="nobody", roles=("web",), host_keys=(KEY,), port=9)
    job = {"action": action, "params": {"say": say}}
    request = RunRequest(action=action, host=host, job=job, timeout_seconds=60)
    return executor.run(request, lambda: False)


def test_nothing_of_one_attempt_is_in_the_next(executor: AnsibleExecutor) -> None:
    counts = warm(executor).counts
    results = [run(executor, f"word{number}", f"here{number}") for number in range(4)]
    assert [(result.outcome, result.message) for result in results] == [(Outcome.OK, "")] * 4
    heard = [(result.facts["heard"], result.facts["host"]) for result in results]
    assert heard == [(f"word{number}", f"here{number}") for number in range(4)]
    folders = {Path(result.facts["tmp"]).parent.name for result in results}
    assert len(folders) == 4 and all(name.startswith("a-") for name in folders)
    assert all("warm" in result.facts["by"] for result in results), "none was started"
    assert (counts["warm"], counts["lost"], counts["fork"]) == (4, 0, 0)


def test_steps_that_follow_each_other_wait_for_the_template(executor: AnsibleExecutor) -> None:
    host = Host(name="here1", address="127.0.0.1", login="nobody", roles=("web",), host_keys=(KEY,), port=9)
    jobs = [{"action": "probe.here", "params": {"say": word}} for word in ("one", "two")]
    requests = [RunRequest(action="probe.here", host=host, job=job, timeout_seconds=60) for job in jobs]
    told: list[RunResult] = []
    executor.run_all([Chain(requests, lambda: False, told.append)])  # the first that is asked of this executor
    assert [result.facts["heard"] for result in told] == ["one", "two"]
    counts = executor.tally()
    assert (counts["warm"], counts.get("cold", 0), counts["followed"]) == (1, 0, 1)


def test_it_comes_out_as_the_plain_way_does(executor: AnsibleExecutor) -> None:
    warm(executor)
    forked = run(executor, "word")
    forker, executor.attempts.warm = executor.warm, None
    started = run(executor, "word")
    executor.attempts.warm = forker
    assert [event.task for event in forked.events] == [event.task for event in started.events] != []
    for result in (forked, started):
        result.facts.pop("tmp")
        result.facts.pop("by")
    assert (forked.outcome, forked.facts, forked.warnings) == (started.outcome, started.facts, started.warnings)


def test_all_tasks_are_done_in_the_plays_process_and_come_out_as_in_forks(executor: AnsibleExecutor) -> None:
    warm(executor)
    forked = run(executor, "word", action="probe.long")
    forker, executor.attempts.warm = executor.warm, None
    started = run(executor, "word", action="probe.long")
    executor.attempts.warm = forker
    assert (len(set(forked.facts.pop("by"))), len(set(started.facts.pop("by")))) == (1, 3)
    assert (forked.outcome, forked.message, forked.facts) == (started.outcome, started.message, started.facts)
    assert forked.facts == {"words": ["one", "two"], "why": "no"}
    told = [[(event.task, event.status, event.message) for event in result.events] for result in (forked, started)]
    assert told[0] == told[1]


def test_it_holds_no_open_file_of_the_play_that_primed_it(executor: AnsibleExecutor) -> None:
    """A leftover is closed by its number in a fork, where that number may be another file."""
    warm(executor)
    opened = {int(path.name) for path in Path(f"/proc/{number_of_template(executor)}/fd").iterdir()}
    assert opened >= {0, 1, 2} and len(opened) == 4  # and the channel


def test_the_first_attempts_do_not_wait_for_it(executor: AnsibleExecutor) -> None:
    assert executor.warm is not None
    assert run(executor, "word").outcome is Outcome.OK
    assert executor.warm.counts == {"cold": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "playbooks" / "probe" / "more.yml").write_text(PLAY),
        lambda root: (root / "playbooks" / "probe" / "here.yml").write_text(PLAY.replace("Probe", "Look")),
        lambda root: (root / "roles").mkdir() or (root / "roles" / "new.yml").write_text("---\n"),
    ],
)
def test_a_change_of_what_is_run_replaces_it(
    executor: AnsibleExecutor, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    launcher = warm(executor)
    time.sleep(2 * launchers._STAMP_SECONDS)  # for so long attempts share a look at the files
    change(tmp_path)
    assert run(executor, "word").outcome is Outcome.OK
    assert (launcher.counts["recycled"], launcher.counts["cold"]) == (1, 1)
    assert launcher.is_ready(30)
    assert run(executor, "word").outcome is Outcome.OK
    assert launcher.counts["warm"] == 1


def test_it_is_replaced_after_some_forks(executor: AnsibleExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = warm(executor)
    monkeypatch.setattr(launcher, "_forks", 2)
    for _ in range(3):
        assert run(executor, "word").outcome is Outcome.OK
    assert (launcher.counts["warm"], launcher.counts["recycled"]) == (2, 1)


def test_one_that_was_killed_costs_nothing_but_time(executor: AnsibleExecutor) -> None:
    launcher = warm(executor)
    os.kill(number_of_template(executor), signal.SIGKILL)
    assert run(executor, "word").outcome is Outcome.OK
    assert (launcher.counts["fork"], launcher.counts["warm"]) == (1, 0)
    assert launcher.is_ready(30)


def test_one_that_does_not_answer_is_given_up(executor: AnsibleExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = warm(executor)
    held = vars(launcher)["_current"]
    vars(held.template)["_channel"].settimeout(0.5)
    os.kill(number_of_template(executor), signal.SIGSTOP)
    assert run(executor, "word").outcome is Outcome.OK
    assert launcher.counts["fork"] == 1
    assert launcher.is_ready(30)


def test_one_that_cannot_be_primed_is_not_tried_again_at_once(
    executor: AnsibleExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collections").unlink()  # the priming play has a task of it
    assert executor.warm is not None
    assert not executor.warm.is_ready(10)
    assert executor.warm.counts["start"] == 1
    (tmp_path / "collections").symlink_to(PROJECT_ROOT / "collections")
    assert run(executor, "word").outcome is Outcome.OK
    assert (executor.warm.counts["start"], executor.warm.counts["warm"]) == (1, 0)
    monkeypatch.setattr(executor.warm, "_not_before", time.monotonic())
    assert executor.warm.is_ready(30)


def test_a_difference_that_ansible_reads_only_once_is_not_forked(
    executor: AnsibleExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt goes on with an ansible of its own, started by the forked helper."""
    launcher = warm(executor)
    build = launchers.Template.fork

    def other(self: object, order: object, environment: dict[str, str], files: list[int]) -> int:
        return build(self, order, {**environment, "ANSIBLE_FORKS": "2"}, files)  # type: ignore[arg-type]

    monkeypatch.setattr(launchers.Template, "fork", other)
    result = run(executor, "word")
    assert (result.outcome, result.facts["heard"]) == (Outcome.OK, "word")
    assert (launcher.counts["warm"], "/ansible-playbook " in result.facts["by"]) == (1, True)


def number_of_template(executor: AnsibleExecutor) -> int:
    """Return the number of the process that is forked."""
    held = vars(executor.warm)["_current"]
    process: subprocess.Popen[bytes] = vars(held.template)["_process"]
    return process.pid
