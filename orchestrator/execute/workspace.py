"""The private directory of one attempt, and the removal of those whose orchestrator died.

<run_root>/                 0700
├── .creating               lock: held while a directory appears, so that the janitor never meets half of one
├── t-81be…/                0700, the like for a template that attempts are forked from; its job is empty
├── c-07d2…/                0700, the like for an open connection, with its socket
└── a-5f0c…/                0700, one attempt; its name marks every process of the attempt
    ├── alive               lock: held by the orchestrator for as long as it runs the attempt
    ├── job.json            0600, what the playbook reads; only such a file holds a secret. Of several jobs: job-2.json…
    ├── inventory.json      one host
    ├── playbooks.yml       of several that follow each other: which of them, and whose job each reads
    ├── known_hosts         its pinned keys
    ├── ansible.cfg         all but empty: no other configuration is read
    ├── helper.err          what the helper printed when it broke
    ├── env/settings        ansible-runner's
    ├── home/ tmp/          ANSIBLE_HOME, HOME and TMPDIR
    └── artifacts/          ansible-runner's events, each removed when it has been read
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from orchestrator.core.records import Host
from orchestrator.execute import processes, target

logger = structlog.get_logger(__name__)

_REMOVALS = 3
_CONFIGURATION = "[defaults]\ninternal_poll_interval = {seconds}\n"
# How often ansible asks for a task's result. Dozens of attempts that ask every millisecond take most of a core for it; a fork
# of a template has carried the task out by then (see inline) and asks once or twice.
_POLL_SECONDS, _POLL_SECONDS_OF_FORKS = 0.005, 0.001
_NAME = re.compile(r"[act]-[0-9a-f]{32}")


@contextlib.contextmanager
def attempt(
    run_root: Path,
    host: Host,
    documents: Sequence[Sequence[str]],
    settings: Mapping[str, Any],
    kind: str = "a",
    connection: str = target.SSH,
) -> Iterator[Path]:
    """Yield a fresh directory for one attempt at these jobs and remove it, whatever happens; raises OSError.

    ``documents`` has a row for each service, with a job for each playbook.
    ``kind`` is "a" for an attempt, "t" for a template and "c" for an open connection; ``connection`` is ansible's plugin.
    """
    with _locked_directory(run_root, kind) as directory:
        try:
            for name in ("home", "tmp", "env"):
                (directory / name).mkdir(mode=0o700)
            files = job_files(directory, len(documents), len(documents[0]))
            for row, jobs in zip(files, documents, strict=True):
                for file, document in zip(row, jobs, strict=True):
                    _write(file, document)
            names = [[str(file) for file in row] for row in files]
            _write(directory / "inventory.json", target.inventory(host, names, connection))
            _write(directory / "known_hosts", target.known_hosts(host))
            seconds = _POLL_SECONDS_OF_FORKS if kind == "t" else _POLL_SECONDS
            _write(directory / "ansible.cfg", _CONFIGURATION.format(seconds=seconds))
            _write(directory / "helper.err", "")
            _write(directory / "env" / "settings", json.dumps(settings))
            yield directory
        finally:
            _remove_or_warn(directory)


def job_files(directory: Path, services: int, playbooks: int) -> list[list[Path]]:
    """Return where the jobs of an attempt are: a row for each service, with a file for each playbook."""
    names = ["job.json", *(f"job-{number}.json" for number in range(2, services * playbooks + 1))]
    paths = iter([directory / name for name in names])
    return [[next(paths) for _ in range(playbooks)] for _ in range(services)]


def put_playbook(directory: Path, playbooks: Sequence[Path]) -> Path:
    """Return the playbook of an attempt, once: for several that follow each other one is put there that imports them."""
    if len(playbooks) == 1:
        return playbooks[0]
    path = directory / "playbooks.yml"
    imports = [
        {"ansible.builtin.import_playbook": str(one), "vars": {"job_file": f"{{{{ job_files[{number}] }}}}"}}
        for number, one in enumerate(playbooks)
    ]
    _write(path, json.dumps(imports))
    return path


@contextlib.contextmanager
def _locked_directory(run_root: Path, kind: str) -> Iterator[Path]:
    run_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = run_root / f"{kind}-{secrets.token_hex(16)}"
    with _lock(run_root / ".creating", wait=True):
        directory.mkdir(mode=0o700)
        alive = _open_lock(directory / "alive")
        fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        os.close(alive)


def sweep(run_root: Path, grace_seconds: float = 2.0) -> list[str]:
    """End the processes and remove the directories of attempts whose orchestrator is gone; return their names."""
    if not run_root.is_dir():
        return []
    swept = []
    for directory in sorted(run_root.iterdir()):
        if _NAME.fullmatch(directory.name) and directory.is_dir() and not directory.is_symlink():
            with _dead(run_root, directory) as dead:
                if dead:
                    processes.end(directory.name, grace_seconds=grace_seconds)
                    remove(directory)
                    swept.append(directory.name)
    return swept


@contextlib.contextmanager
def _dead(run_root: Path, directory: Path) -> Iterator[bool]:
    """Say whether nobody runs this attempt any more; while it is so, no second janitor takes it."""
    with contextlib.ExitStack() as stack:
        try:
            with _lock(run_root / ".creating", wait=True):
                stack.enter_context(_lock(directory / "alive", wait=False))
        except (BlockingIOError, FileNotFoundError):
            yield False  # it is alive, or went away by itself meanwhile
            return
        yield True


@contextlib.contextmanager
def _lock(path: Path, wait: bool) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)


def _remove_or_warn(directory: Path) -> None:
    """Remove the directory; when that fails the attempt's result still counts, and the janitor tries again."""
    try:
        remove(directory)
    except OSError as error:
        logger.warning("attempt not removed", directory=str(directory), error=str(error))


def remove(directory: Path) -> None:
    """Remove a directory with everything in it, its secrets first. Raises OSError."""
    for file in directory.glob("job*.json"):
        file.unlink(missing_ok=True)
    for _ in range(_REMOVALS):  # a process that is just ending may still write
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)
        if not directory.exists():
            return
    shutil.rmtree(directory)


def free_bytes(run_root: Path) -> int:
    """Return how much can still be written where attempts live."""
    run_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = os.statvfs(run_root)
    return state.f_bavail * state.f_frsize
