"""Cron jobs: they run as the account's user behind its walls, when the schedule says so, and never while it is suspended."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged
from tests.support.web_objects import act, eventually, heals, marked_suspended, told

pytestmark = pytest.mark.lab

NAME = "mails"
TIMER, SERVICE = "tenantry-cron-w1001-mails.timer", "tenantry-cron-w1001-mails.service"
# It also forgets how often it was started, for systemd takes five starts in ten seconds.
START = f"systemctl reset-failed {SERVICE} 2>/dev/null; systemctl start {SERVICE}"
UNITS = "/etc/systemd/system"
LINK = f"{UNITS}/timers.target.wants/{TIMER}"
COMMAND = "/etc/tenantry/web/cron/w1001/mails"
LOG = "/home/w1001/logs/cron.log"
SELDOM = "17 4 29 2 *"
# What systemd, a shell, printf and a template would each read something else into.
ODD = (
    r"""printf '%s|' "100%" "%h %i %%" '$HOME' "$HOME" '\x41' "a\\b" '{{ 7*7 }}' "it's" ü# >odd; echo $((6*7)) >>odd"""
)


def present(web: Web, *, check: bool = False, owner: int = 0, **more: Any) -> RunResult:
    params = {"name": NAME, "schedule": SELDOM, "command": "id -un", "enabled": True, **more}
    return act(web, "cron_present", 1001, check=check, owner=owner, **params)


def absent(web: Web, *, check: bool = False, owner: int = 0) -> RunResult:
    return act(web, "cron_absent", 1001, check=check, owner=owner, name=NAME)


def states(web: Web) -> list[str]:
    return web.run(f"systemctl is-active {TIMER}; systemctl is-enabled {TIMER}", check=False).split()


def run_now(web: Web, command: str, **more: Any) -> str:
    """Make a command the job's, run it once and return what it wrote into the log."""
    assert present(web, command=command, **more).outcome in GOOD
    web.run(f"rm -f {LOG}; {START}")
    eventually(lambda: "ended with" in web.run(f"tail -n 1 {LOG}", check=False))
    return web.run(f"cat {LOG}")


@pytest.fixture(scope="module", autouse=True)
def job(web: Web) -> Iterator[None]:
    """Give the account a job; once it is gone the node is as before, files of the account aside."""
    before = web.tree()
    first = present(web)
    assert first.outcome is Outcome.CHANGED, first
    assert present(web).outcome is Outcome.OK
    yield
    assert absent(web).outcome in GOOD
    web.run("rm -rf /home/w1001/logs/cron.log* /home/w1001/www/odd /home/w1001/tmp/*")
    assert unchanged(before, web.tree()) == []


def test_it_runs_by_itself_in_its_minute(web: Web) -> None:
    web.run(f"rm -f {LOG}")
    assert present(web, schedule="* * * * *").facts["calendar"] == ["*-*-* *:*:00"]
    eventually(lambda: "ended with 0" in web.run(f"cat {LOG}", check=False), 100)
    assert re.search(r"(?m)^w1001$", web.run(f"cat {LOG}"))
    assert web.run(f"stat -c %U {LOG}").strip() == "w1001"


def test_it_runs_as_the_user_within_its_limits_and_reads_nobody_elses_things(web: Web) -> None:
    said = run_now(web, "id; pwd; ls /home; cat /proc/self/cgroup; grep NoNewPrivs /proc/self/status")
    assert "uid=20001(w1001) gid=20001(w1001) groups=20001(w1001)\n/home/w1001\nw1001\n" in said
    assert f"/tenantry.slice/tenantry-w1001.slice/{SERVICE}" in said
    assert "NoNewPrivs:\t1" in said
    tries = (
        *("cat /home/w1002/www/index.html", "ls /home/deploy", "cat /etc/nginx/nginx.conf"),
        *("touch /etc/x", "ls /etc/tenantry/web/objects", "cat /etc/shadow", "ls /etc/tenantry/web/cron/w1002"),
        *("chmod u+s tmp/x", "sudo -n true", "unshare -r true", "kill -9 1", "su w1002 -c true"),
    )
    said = run_now(web, "touch tmp/x; " + "; ".join(f"{one} >/dev/null 2>&1 && echo could: {one}" for one in tries))
    assert "could" not in said and "mails: ended with" in said


def test_a_command_reaches_the_shell_as_it_was_given(web: Web) -> None:
    said = run_now(web, f"cd www; {ODD}")
    assert "ended with 0" in said, said
    assert web.run("cat /home/w1001/www/odd") == r"100%|%h %i %%|$HOME|/home/w1001|\x41|a\b|{{ 7*7 }}|it's|ü#|" + "42\n"


def test_its_output_is_bounded_and_its_failure_is_the_customers(web: Web) -> None:
    said = run_now(web, "yes filling the log | head -c 5000000; exit 7")
    assert len(said) < 1_100_000
    assert said.endswith("mails: ended with 7\n")
    assert web.run(f"systemctl is-failed {SERVICE}", check=False).strip() == "inactive"
    web.run(START)
    eventually(lambda: web.run(f"systemctl is-active {SERVICE}", check=False).strip() == "inactive")
    assert len(web.run("ls /home/w1001/logs/cron.log*").split()) == 2
    web.run(START)
    eventually(lambda: web.run(f"systemctl is-active {SERVICE}", check=False).strip() == "inactive")
    assert len(web.run("ls /home/w1001/logs/cron.log*").split()) == 2


@pytest.mark.parametrize("plant", ["ln -s /root/sentinel", "mkfifo", "mkdir"])
def test_the_log_is_opened_by_the_user_and_leads_root_nowhere(web: Web, plant: str) -> None:
    web.run("echo kept >/root/sentinel; chmod 600 /root/sentinel")
    looks = "stat -c '%U %a %i %s %Y' /root/sentinel; cat /root/sentinel"
    before = web.run(looks)
    assert present(web, command="touch tmp/ran; echo evil").outcome in GOOD
    web.run(f"rm -rf {LOG} /home/w1001/tmp/ran")
    web.as_user(1001, f"{plant} {LOG}")
    web.run(START)
    eventually(lambda: web.run("ls /home/w1001/tmp/ran", check=False).startswith("/home"))
    assert web.run(looks) == before
    web.run(f"rm -rf /root/sentinel {LOG}")


def test_a_tenant_swapping_its_folders_leads_root_nowhere(web: Web) -> None:
    web.run("mkdir -p /root/sentinel/in; echo kept >/root/sentinel/in/cron.log")
    looks = "find /root/sentinel -printf '%p %U:%G %m %i %s %T@\\n'"
    before = web.run(looks)
    loop = "import os, time\\nend = time.time() + 60\\nos.chdir('/home/w1001/logs')\\n"
    loop += "os.symlink('/root/sentinel/in/cron.log', 'ln')\\nopen('up', 'w').close()\\n"
    loop += "while time.time() < end:\\n for one in ('ln', 'up'):\\n  os.link(one, 'x', follow_symlinks=False)\\n"
    loop += "  os.rename('x', 'cron.log')\\n"
    swapping = threading.Thread(target=web.as_user, args=(1001, f"timeout 60 python3 -c $'{loop}'"))
    swapping.start()
    for command in ("echo one", "echo two"):
        assert present(web, command=command).outcome in GOOD
        web.run(f"for n in 1 2 3 4 5; do {START}; done")
    web.run("pkill -u w1001 -f [f]ollow_symlinks", check=False)
    swapping.join()
    assert web.run(looks) == before
    web.run("rm -rf /root/sentinel /home/w1001/logs/*")


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (f"systemctl disable --now {TIMER}", [LINK, TIMER]),
        (f"systemctl stop {TIMER}", [TIMER]),
        (f"echo OnCalendar=hourly >>{UNITS}/{TIMER}; chmod 666 {COMMAND}", [COMMAND, f"{UNITS}/{TIMER}"]),
        (f"rm {UNITS}/{SERVICE} {COMMAND}; systemctl daemon-reload", [COMMAND, f"{UNITS}/{SERVICE}"]),
        (
            f"sed -i s/User=w1001/User=root/ {UNITS}/{SERVICE}; chmod 777 {COMMAND[:-6]}",
            [COMMAND[:-5], f"{UNITS}/{SERVICE}"],
        ),
        (f"systemctl disable --now {TIMER}; rm {UNITS}/{TIMER}", [f"{UNITS}/{TIMER}", LINK, TIMER]),
    ],
)
def test_what_was_changed_by_hand_is_told_and_put_right(web: Web, drift: str, expected: list[str]) -> None:
    assert present(web).outcome in GOOD
    web.run(drift)
    heals(partial(present, web), expected)
    assert states(web) == ["active", "enabled"]
    assert web.run(f"systemctl show -p NeedDaemonReload -p User {SERVICE}").split() == [
        "User=w1001",
        "NeedDaemonReload=no",
    ]


def test_a_job_that_is_switched_off_stays_off(web: Web) -> None:
    off = partial(present, web, enabled=False, command="sleep 60")
    assert present(web, command="sleep 60").outcome in GOOD
    web.run(START)
    heals(off, [LINK, TIMER, SERVICE])
    assert states(web) == ["inactive", "disabled"]
    with marked_suspended(web, 1001):
        assert off().outcome is Outcome.OK
    heals(partial(present, web), [COMMAND, LINK, TIMER])


def test_while_the_account_is_suspended_nothing_starts(web: Web) -> None:
    assert present(web, command="touch tmp/ran; sleep 120").outcome in GOOD
    web.run(START)
    eventually(lambda: web.run("ls /home/w1001/tmp/ran", check=False).startswith("/home"))
    with marked_suspended(web, 1001):
        heals(partial(present, web, command="touch tmp/ran; sleep 120"), [TIMER, SERVICE])
        assert states(web) == ["inactive", "enabled"]
        web.run(
            f"rm /home/w1001/tmp/ran; systemctl start {TIMER} {SERVICE}; systemctl start timers.target", check=False
        )
        assert states(web) == ["inactive", "enabled"]
        assert web.run(f"systemctl is-active {SERVICE}", check=False).strip() == "inactive"
        assert "No such file" in web.run("ls /home/w1001/tmp/ran", check=False)
    assert told(present(web, command="touch tmp/ran; sleep 120")) == [TIMER]
    assert states(web) == ["active", "enabled"]


BAD: list[dict[str, Any]] = [
    {"name": "../x"},
    {"name": "a.timer"},
    {"schedule": "* * * *"},
    {"schedule": "60 * * * *"},
    {"schedule": "0 0 30 2 *"},
    {"schedule": "*-*-* 00:00:00"},
    {"schedule": "0 0 * * *\nUser=root"},
    {"command": "id\nid"},
    {"command": " "},
    {"username": "root"},
]


def test_bad_input_and_other_peoples_units_are_refused(web: Web) -> None:
    before = web.tree()
    with ThreadPoolExecutor(3) as pool:  # each as another service, so that none overtakes another
        runs = [pool.submit(present, web, owner=3300 + number, **more) for number, more in enumerate(BAD)]
    found = [run.result().reason for run in runs]
    assert found == ["invalid"] * (len(BAD) - 1) + ["missing_software"]
    assert present(web, owner=1002).reason == "conflict"
    assert absent(web, owner=1002).warnings == ("left alone: the cron mails belongs to s1001",)
    assert unchanged(before, web.tree()) == []


def test_removal_ends_a_run_and_forgets_the_units(web: Web) -> None:
    assert present(web, command="sleep 120").outcome in GOOD
    web.run(START)
    rehearsed = absent(web, check=True)
    assert states(web) == ["active", "enabled"]
    removed = absent(web)
    assert removed.outcome is Outcome.CHANGED
    assert (
        told(rehearsed)
        == told(removed)
        == [
            *(TIMER, SERVICE, LINK, f"{UNITS}/{TIMER}", f"{UNITS}/{SERVICE}", COMMAND),
            "/etc/tenantry/web/objects/w1001/cron-mails.json",
        ]
    )
    assert web.run("systemctl list-units --all --no-legend 'tenantry-cron-*'").strip() == ""
    assert "sleep 120" not in web.run("pgrep -u w1001 -a", check=False)
    assert absent(web).outcome is Outcome.OK
