"""The command line as a process: exit codes, one line for each error, JSON for each listing, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.models.task import Task
from orchestrator.store import tasks
from tests.integration.conftest import opened
from tests.support import fleet

_AT_ONCE = 2
ORDER = ("service", "create", "--id", "7", "--package", "small", "--group", "standard", "--domain")

BAD: tuple[tuple[tuple[str, ...], str], ...] = (
    (("nonsense",), "No such command"),
    (("task", "show", "abc"), "ID"),
    (("task", "show", "4711"), "there is no task 4711"),
    (("task", "retry", "4711"), "there is no task 4711"),
    (("task", "cancel", "-1"), "tenantry:"),
    (("task", "list", "--status", "ready"), "--status: ready is not known"),
    (("task", "list", "--limit", "0"), "--limit"),
    (("task", "clean", "--status", "running"), "running is not finished"),
    (("service", "show", "4711"), "there is no service 4711"),
    (("service", "redeploy", "4711"), "there is no service 4711"),
    (("service", "timeline", "4711"), "there is no service 4711"),
    (("service", "plan", "4711", "--steps-only"), "there is no service 4711"),
    (("service", "plan", "1", "explode"), "ACTION"),
    (("service", "list", "--status", "sleeping"), "--status: sleeping is not known"),
    (("service", "create", "--id", "7"), "Missing option"),
    ((*ORDER, "../../etc"), "domain: "),
    ((*ORDER, "10.77.0.11"), "domain: "),
    ((*ORDER, "a.test; id"), "domain: "),
    ((*ORDER, "a.test\nb"), "domain: "),
    ((*ORDER, "a" * 254), "domain: "),
    ((*ORDER, "a.test", "--mode", "cluster"), "mode: "),
    ((*ORDER, "a.test", "--roles", "ftp"), "roles: "),
    ((*ORDER, "a.test", "--username", "root"), "username: root is reserved"),
    ((*ORDER, "a.test", "--contact-email", "nobody"), "contact_email: "),
    (
        ("service", "create", "--id", "0", "--package", "small", "--group", "standard", "--domain", "a.test"),
        "service_id: ",
    ),
    (
        ("service", "create", "--id", "7", "--package", "huge", "--group", "standard", "--domain", "a.test"),
        "no package",
    ),
    (("service", "create", "--id", "7", "--package", "small", "--group", "nowhere", "--domain", "a.test"), "no group"),
    (("server", "add", "x", "--address", "-oProxyCommand=id", "--roles", "web"), "address: "),
    (("server", "add", "../x", "--address", "10.77.0.99", "--roles", "web"), "name: "),
    (("server", "add", "all", "--address", "10.77.0.99", "--roles", "web", "--host-key", fleet.HOST_KEY), "server: "),
    (("server", "add", "x", "--address", "10.77.0.99", "--roles", "ftp"), "roles: "),
    (("server", "add", "x", "--address", "10.77.0.99", "--roles", "web", "--host-key", "nonsense"), "host_keys: "),
    (
        ("server", "add", "web1", "--address", "10.77.0.9", "--roles", "web", "--host-key", fleet.HOST_KEY),
        "exists already",
    ),
    (("server", "show", "nowhere"), "there is no server"),
    (("server", "set", "web1"), "are both missing"),
    (("server", "set", "web1", "--concurrency", "65"), "concurrency: "),
    (("server", "set", "web1", "--capacity", "-1"), "capacity: "),
    (("group", "add", "standard"), "exists already"),
    (("group", "add", "a b"), "name: "),
    (("group", "show", "nowhere"), "there is no group"),
    (("package", "add", "p", "--limit", "mailboxes"), "is not NAME=VALUE"),
    (("package", "add", "p", "--limit", "mailboxes=-1"), "mailboxes: "),
    (("package", "add", "p", "--limit", "wings=2"), "wings: "),
    (("settings", "get", "tasks.batch"), "did you mean tasks.batch_size?"),
    (("settings", "set", "tasks.batch_size", "0"), "tasks.batch_size: "),
    (("settings", "set", "tasks.batch_size", "\N{SUPERSCRIPT TWO}"), "tasks.batch_size: "),
    (("settings", "set", "tasks.backoff_minutes", "1,soon"), "tasks.backoff_minutes: "),
    (("settings", "set", "tickets.enabled", "perhaps"), "tickets.enabled: "),
    (("settings", "set", "usage.timezone", "Nowhere"), "usage.timezone: "),
    (("usage", "show", "4711"), "there is no service 4711"),
    (("usage", "show", "--top", "wings"), "--top: "),
    (("usage", "show", "--by", "colour"), "--by: "),
    (("usage", "sync"), "--server: "),
    (("usage", "sync", "--server", "nowhere"), "there is no server"),
    (("usage", "export", "--month", "2026-13"), "--month: "),
    (("service", "sync-usage", "4711"), "there is no service 4711"),
    (("reconcile", "--removals"), "--removals: "),
    (("reconcile", "--billing", "/nowhere.csv"), "--billing: "),
    (("notice", "retry", "4711"), "there is no delivery 4711"),
    (("notice", "list", "--state", "lost"), "--state: "),
)

LISTINGS = (
    ("server", "list"), ("server", "show", "web1"), ("group", "list"), ("group", "show", "standard"),
    ("package", "list"), ("package", "show", "small"), ("service", "list"), ("task", "list"), ("task", "show", "1"),
    ("task", "actions"), ("settings", "list"),
    ("usage", "show"), ("usage", "show", "--server", "web1"), ("log",), ("doctor", "--no-servers"),
    ("reconcile", "--no-nodes"), ("notice", "list"), ("token", "list"),
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """Runs `tenantry` with an environment of its own."""

    def __init__(self, url: str, home: Path) -> None:
        self.env = {
            "PATH": os.environ["PATH"],
            "TENANTRY_DATABASE_URL": url,
            "TENANTRY_HOME": str(home),
            "LANG": "C.UTF-8",
        }

    def __call__(self, *arguments: str, **env: str) -> Ended:
        """Run a command to its end."""
        argv = [sys.executable, "-m", "orchestrator", *arguments]
        done = subprocess.run(
            argv, env=self.env | env, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, home: Path):
    """Yield a command line over a small fleet."""
    url = f"sqlite:///{tmp_path_factory.mktemp('cli') / 'tenantry.db'}"
    with opened(url):
        fleet.build()
        tasks.enqueue("service.redeploy", service_id=1)
        yield Shell(url, home)


@pytest.fixture(scope="module")
def refused(shell: Shell) -> list[Ended]:
    """Run all bad commands, a few at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda one: shell(*one[0]), BAD))


@pytest.mark.parametrize(
    "number", range(len(BAD)), ids=lambda number: " ".join(BAD[number][0])[:60].encode("unicode_escape").decode()
)
def test_a_bad_command_ends_with_2_and_one_line(number: int, refused: list[Ended]) -> None:
    ended, says = refused[number], BAD[number][1]
    assert ended.code == 2, ended
    assert says in ended.err
    assert ended.err.startswith("tenantry: ") and ended.err.count("\n") == 1
    assert ended.out == ""


def test_no_bad_command_stored_a_task(shell: Shell, refused: list[Ended]) -> None:
    assert Task.select().count() == 1


@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
def test_every_listing_takes_json(command: tuple[str, ...], shell: Shell) -> None:
    ended = shell(*command, "--json")
    assert ended.err == ""
    json.loads(ended.out)


def test_what_is_needed_and_missing_ends_with_3(shell: Shell, tmp_path: Path) -> None:
    cases = {
        "run `tenantry init`": {"TENANTRY_DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"},
        "cannot be opened": {"TENANTRY_DATABASE_URL": f"sqlite:///{tmp_path / 'no' / 'folder.db'}"},
        "does not answer": {"TENANTRY_DATABASE_URL": "mysql://a:b@127.0.0.1:1/x"},
    }
    for says, env in cases.items():
        ended = shell("task", "list", **env)
        assert (ended.code, says in ended.err, ended.err.count("\n")) == (3, True, 1), ended
    assert shell("keys", "show-public", TENANTRY_HOME=str(tmp_path / "nobody")).code == 3
    assert shell("task", "list", TENANTRY_DATABASE_URL="postgres://x").code == 2


def test_doctor_says_what_to_type(shell: Shell) -> None:
    ended = shell("doctor", "--no-servers")
    assert ended.code == 3
    assert "FAIL ssh key" in ended.out and "ssh-keygen" in ended.out
    assert "ok   schema" in ended.out


def test_an_installation_by_hand(shell: Shell, tmp_path: Path, home: Path) -> None:
    mine = Shell(f"sqlite:///{tmp_path / 'mine.db'}", home)
    for command in (
        ("init",), ("init",), ("group", "add", "de"), ("package", "add", "s", "-l", "mailboxes=3"),
        ("server", "add", "web7", "--address", "10.77.0.17", "--roles", "web", "--group", "de", "--host-key", fleet.HOST_KEY),
        ("service", "create", "--id", "5", "--domain", "Shop.Test.", "--package", "s", "--group", "de"),
        ("task", "cancel", "1"), ("settings", "set", "tasks.max_attempts", "3"), ("task", "clean"),
        ("server", "set", "web7", "--concurrency", "2"), ("server", "set", "web7", "--capacity", "500"),
        ("server", "drain", "web7"), ("server", "activate", "web7"), ("package", "remove", "s"), ("group", "remove", "de"),
    ):  # fmt: skip
        ended = mine(*command)
        assert (ended.code, ended.err) == (0, ""), (command, ended)
    assert mine("settings", "get", "tasks.max_attempts").out == "3\n"
    assert json.loads(mine("group", "list", "--json").out) == []
    web = json.loads(mine("server", "show", "web7", "--json").out)
    assert (web["concurrency"], web["capacity"]) == (2, 500)
    assert mine("server", "set", "web7", "--concurrency", "default").out.startswith("web7: server.concurrency steps")
