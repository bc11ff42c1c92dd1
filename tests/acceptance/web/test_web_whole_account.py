"""An account with everything it can have is suspended, woken and removed: what was off stays off, and nothing is left."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import addresses
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged
from tests.support.web_objects import act, eventually, native_hash

pytestmark = pytest.mark.lab

NUMBER = 1061
PASSWORD = "a secret"
OPEN, LOCKED = "w1061_open", "w1061_locked"
LOGIN, REFUSED = "w1061_up", "w1061_refused"
SUSPENDED = {"page": "<p>asleep</p>", "retry_after": 60}


class Whole:
    """The account and questions to it."""

    def __init__(self, web: Web, folder: Path) -> None:
        self.web = web
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)

    def order(self) -> list[Any]:
        """Set up the account with two of each kind, one of which is off."""
        public = self.key.with_suffix(".pub").read_text().strip()
        results = self.web.chain(NUMBER, "whole.test")
        for name in (OPEN, LOCKED):
            results.append(act(self.web, "database_present", NUMBER, name=name, password_hash=native_hash(PASSWORD)))
        for name in (LOGIN, REFUSED):
            given = {"name": name, "password_hash": None, "public_keys": [public], "folder": "www"}
            results.append(act(self.web, "sftp_present", NUMBER, **given))
        for name, enabled in (("ticks", True), ("still", False)):
            command = f"echo {name} >>$HOME/tmp/{name}"
            given = {"name": name, "schedule": "0 4 1 1 *", "command": command, "enabled": enabled}
            results.append(act(self.web, "cron_present", NUMBER, **given))
        return [(result.outcome, result.message) for result in results if result.outcome not in GOOD]

    def query(self, name: str) -> str:
        given = f"mariadb --no-defaults -N -B -h 127.0.0.1 -u {name} -e 'SELECT 1' {name}"
        return self.web.run(f"MYSQL_PWD={shlex.quote(PASSWORD)} {given} 2>&1 | tail -1", check=False).strip()

    def list_files(self, login: str) -> str:
        address = addresses.of(self.web.lab, self.web.node).ipv4
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        command = ["sftp", "-q", "-b", "-", "-i", str(self.key), *options, f"{login}@{address}"]
        done = subprocess.run(command, input="ls\n", capture_output=True, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else "refused"

    def timers(self) -> dict[str, str]:
        unit = f"tenantry-cron-w{NUMBER}-{{}}.timer"
        return {
            name: self.web.run(f"systemctl is-active {unit.format(name)}", check=False).strip()
            for name in ("ticks", "still")
        }


@pytest.fixture(scope="module")
def whole(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Yield the account; the last test removes it."""
    found = Whole(web, tmp_path_factory.mktemp("whole"))
    before = web.tree()
    assert found.order() == []
    for host in ("localhost", "127.0.0.1"):
        web.run(f"mariadb -e \"ALTER USER '{LOCKED}'@'{host}' ACCOUNT LOCK\"")
    web.run(f"usermod -a -G tenantry-suspended {REFUSED}")
    yield found
    assert act(web, "account_absent", NUMBER, uid=19000 + NUMBER).outcome in GOOD
    assert unchanged(before, web.tree()) == []
    assert web.run("systemctl list-units --all --plain --no-legend '*w1061*'", check=False) == ""
    assert web.run("getent passwd 20061; getent group 20061; ls -A /home/.tenantry-removed", check=False) == ""


def test_everything_is_shut_and_opened_as_it_was(whole: Whole) -> None:
    web = whole.web
    was = (whole.query(OPEN), "locked" in whole.query(LOCKED), whole.list_files(REFUSED), whole.timers())
    assert was[0] == "1" and was[2:] == ("refused", {"ticks": "active", "still": "inactive"})
    assert "index.html" in whole.list_files(LOGIN)
    before = web.tree()
    # Sessions that were open before.
    asleep = f"mariadb --no-defaults -h 127.0.0.1 -u {OPEN} -e 'SELECT SLEEP(600)'"
    web.run(f"MYSQL_PWD={shlex.quote(PASSWORD)} setsid {asleep} >/dev/null 2>&1 &")
    connected = f"mariadb -N -B -e \"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{OPEN}'\""
    eventually(lambda: web.run(connected).strip() == "1")
    assert act(web, "account_suspended", NUMBER, **SUSPENDED).outcome == Outcome.CHANGED
    assert "locked" in whole.query(OPEN)
    assert web.run(connected).strip() == "0"
    assert [whole.list_files(login) for login in (LOGIN, REFUSED)] == ["refused", "refused"]
    assert whole.timers() == {"ticks": "inactive", "still": "inactive"}
    web.run("systemctl restart timers.target; systemctl start tenantry-cron-w1061-ticks.service", check=False)
    assert whole.timers()["ticks"] == "inactive"
    for again in (False, True):
        assert act(web, "account_suspended", NUMBER, check=again, **SUSPENDED).outcome == Outcome.OK
    assert whole.order() == []  # every step of a redeploy
    assert "locked" in whole.query(OPEN)
    assert whole.list_files(LOGIN) == "refused"
    assert whole.timers() == {"ticks": "inactive", "still": "inactive"}
    assert act(web, "account_active", NUMBER).outcome == Outcome.CHANGED
    assert whole.query(OPEN) == "1"
    assert whole.timers() == was[3]
    assert "index.html" in whole.list_files(LOGIN)
    assert (whole.list_files(REFUSED), "locked" in whole.query(LOCKED)) == ("refused", True)
    assert unchanged(before, web.tree()) == []
    assert act(web, "account_active", NUMBER).outcome == Outcome.OK


def test_a_child_made_while_it_sleeps_wakes_with_it(whole: Whole) -> None:
    web, new = whole.web, "w1061_new"
    assert act(web, "account_suspended", NUMBER, **SUSPENDED).outcome == Outcome.CHANGED
    made = act(web, "database_present", NUMBER, name=new, password_hash=native_hash(PASSWORD))
    assert made.outcome == Outcome.CHANGED
    assert "locked" in whole.query(new)
    assert act(web, "account_suspended", NUMBER, **SUSPENDED).outcome == Outcome.OK
    assert act(web, "account_active", NUMBER).outcome == Outcome.CHANGED
    assert whole.query(new) == "1"
    assert act(web, "database_absent", NUMBER, name=new).outcome == Outcome.CHANGED


def test_it_leaves_with_all_its_children(whole: Whole) -> None:
    web = whole.web
    rehearsed = act(web, "account_absent", NUMBER, uid=19000 + NUMBER, check=True)
    shown = "".join(event.diff for event in rehearsed.events)
    for told in (OPEN, LOCKED, LOGIN, REFUSED, "cron-w1061-ticks", "/home/w1061/"):
        assert told in shown
    assert whole.query(OPEN) == "1"
    assert act(web, "account_absent", NUMBER, uid=19000 + NUMBER).outcome == Outcome.CHANGED
    assert whole.query(OPEN).startswith("ERROR")
    assert whole.list_files(LOGIN) == "refused"
    for check in (False, True):
        assert act(web, "account_absent", NUMBER, uid=19000 + NUMBER, check=check).outcome == Outcome.OK
