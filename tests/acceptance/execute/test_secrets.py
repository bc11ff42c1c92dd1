"""A secret in a job is in one file for as long as the attempt runs, and nowhere else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import access
from orchestrator.core.states import Outcome
from tests.acceptance.execute.bench import NODE, Bench

SECRET = "canary-8c1f\"'{{7*7}}-0b52"
FORMS = (SECRET.encode(), json.dumps(SECRET)[1:-1].encode(), b"canary-8c1f")


def has_secret(data: bytes) -> bool:
    """True when the data holds the secret in some form."""
    return any(form in data for form in FORMS)


class Watch(threading.Thread):
    """Looks at every process and every file of the attempts until it is told to stop."""

    def __init__(self, run_root: Path) -> None:
        super().__init__(daemon=True)
        self.run_root, self.over = run_root, threading.Event()
        self.found: set[str] = set()
        self.looks = 0

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.looks += 1
            self._look()

    def _look(self) -> None:
        processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        files = [path / part for path in processes for part in ("cmdline", "environ")]
        # Folders come and go meanwhile, which os.walk does not mind.
        files += [Path(folder) / name for folder, _, names in os.walk(self.run_root) for name in names]
        for path in files:
            try:
                if has_secret(path.read_bytes()):
                    self.found.add(path.name)
            except OSError:
                continue


@contextmanager
def watched(run_root: Path) -> Iterator[Watch]:
    """Yield a watch that runs during the block."""
    watch = Watch(run_root)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join()


def everywhere(bench: Bench) -> list[str]:
    """Return the files that hold the secret: on this machine where runs leave traces, and on the node."""
    here = [bench.root, Path("~/.ansible").expanduser(), *Path("/tmp").glob("ansible*")]
    files = [path for folder in here for path in folder.rglob("*") if path.is_file()]
    found = [str(path) for path in files if has_secret(path.read_bytes())]
    script = "grep -rlaF -e canary-8c1f /tmp /var/tmp /var/log /root /home /run\n"  # by stdin: sudo logs what it runs
    return [*found, *access.on(bench.lab, NODE, "sh", stdin=script, check=False).stdout.split()]


def test_a_secret_is_nowhere_else_and_later_nowhere(bench: Bench) -> None:
    tasks = """
    - name: Ensure that it is used
      ansible.builtin.command:
        argv: [/usr/bin/sha256sum]
        stdin: "{{ job.params.password }}"
        stdin_add_newline: false
      changed_when: true
      no_log: true
    - name: "Check a task whose name holds {{ job.params.password }}"
      ansible.builtin.raw: "echo seen; sleep 0.5"
      changed_when: false
    - name: Check what must not be said
      ansible.builtin.fail:
        msg: "refused: {{ job.params.password }}"
    """
    action = bench.play("secret", tasks)
    with watched(bench.run_root) as watch:
        result = bench.run(action, {"params": {"password": SECRET}})
    assert result.outcome is Outcome.FAILED
    assert result.message == "Check what must not be said: refused: (hidden)"
    assert not has_secret(repr(result).encode())
    assert watch.looks > 5
    assert watch.found == {"job.json"}
    assert everywhere(bench) == []


def test_a_secret_in_a_report_is_hidden(bench: Bench) -> None:
    results = "\"{{ [{'facts': {'seen': job.params.password}, 'step_warnings': [job.params.password]}] }}\""
    action = bench.play("leaky", "- name: Check nothing\n  ansible.builtin.meta: noop\n", results=results)
    result = bench.run(action, {"params": {"password": SECRET}})
    assert result.facts == {"seen": "(hidden)"}
    assert result.warnings == ("(hidden)",)
