"""An account that leaves takes everything with it and touches nothing else, whatever is in its home."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged

pytestmark = pytest.mark.lab

NUMBER, UID = 1041, 20041
HOME = f"/home/w{NUMBER}"
# Everything that must not be touched, hard links included: owner, mode, content, number, flags.
SENTINEL = (
    "cd /srv/sentinel && find . -printf '%p %U:%G %m %i %l\\n' | sort && lsattr -R . && cat file locked */inner "
    "&& stat -c '%n %U %a' /etc /etc/passwd /etc/shadow && stat -c '%n %U %a %i' /home/w1002 /home/w1002/www"
)
# As root: what no customer can make himself.
ROOTS_TRAPS = f"""
set -e
mkdir -p /srv/sentinel/folder /srv/sentinel/volume && cd /srv/sentinel
mount -t tmpfs volume volume && echo kept >volume/inner && echo kept >folder/inner && echo kept >file && echo kept >locked
cp /bin/true program && chmod 4755 program && chown 1:1 file
cd {HOME}/www
ln /srv/sentinel/file hard-file && ln /srv/sentinel/locked hard-locked && ln /srv/sentinel/program program
chattr +i /srv/sentinel/locked
mkdir bound tmpfs twice && touch bound-file
mount --rbind /srv/sentinel bound && mount --bind /srv/sentinel/file bound-file
mount -t tmpfs x tmpfs && touch tmpfs/x
mount -t tmpfs x twice && mount --bind /srv/sentinel/folder twice
mkdir immutable && touch immutable/file append && echo x >roots && mknod device c 1 5
chmod 0 immutable && chattr +i immutable/file immutable && chattr +a append
"""
# As the customer: links to everywhere, odd names, a depth beyond every path, many small files.
TRAPS = f"""
import os, socket
os.chdir("{HOME}/www")
os.symlink("/etc", "etc"); os.symlink("/srv/sentinel", "sentinel"); os.symlink("/etc/passwd", "passwd")
os.symlink("/", "-rf"); os.mkfifo("fifo"); os.mkdir("closed"); open("closed/x", "w"); os.chmod("closed", 0)
open("new\\nline", "w"); open(b"\\xff\\xfe", "w"); os.mkdir("*"); os.symlink("..", "*/loop")
socket.socket(socket.AF_UNIX).bind("socket")
os.mkdir("many")
for number in range(50000):
    os.close(os.open(f"many/{{number}}", os.O_CREAT | os.O_WRONLY))
here = os.open(".", os.O_RDONLY)
for _ in range(3000):
    os.mkdir("d" * 100, dir_fd=here)
    inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
    os.close(here); here = inner
os.symlink("/srv/sentinel", "deep", dir_fd=here)
"""
WRITER = "i=0; while :; do i=$((i+1)); mkdir -p www/w$i tmp/w$i; echo x >www/w$i/f; ln -s /srv/sentinel tmp/w$i/s; done"
# Ends whoever takes the home apart, which is seen from what it holds open.
KILLER = f"""
while :; do for process in /proc/[0-9]*; do
    if ls -l $process/fd 2>/dev/null | grep -q tenantry-removed/w{NUMBER}; then kill -9 ${{process#/proc/}}; exit; fi
done; done
"""


def act(
    web: Web, action: str, number: int = NUMBER, /, *, check: bool = False, owner: int = 0, **params: Any
) -> RunResult:
    """Run a step of this area for an account."""
    given = {"username": f"w{number}", **params}
    return web.steps.run(web.node, f"web.{action}", given, service=owner or number, check=check, timeout=600)


def leave(web: Web, number: int = NUMBER, /, **more: Any) -> RunResult:
    return act(web, "account_absent", number, uid=19000 + number, **more)


def units(web: Web, number: int) -> str:
    return web.run(
        f"systemctl list-units --all --plain --no-legend '*w{number}*'; ls /run/tenantry/php | grep w{number}",
        check=False,
    )


def names(web: Web, number: int) -> str:
    return web.run(f"getent passwd w{number} {19000 + number}; getent group w{number} {19000 + number}", check=False)


@pytest.fixture
def account(web: Web) -> Iterator[Any]:
    """Yield the tree of the node before it had the account that is set up for each test."""
    before = web.tree()
    assert [result.outcome for result in web.chain(NUMBER, "leaving.test") if result.outcome not in GOOD] == []
    assert web.get("leaving.test")[0] == 200
    yield before
    assert leave(web).outcome in GOOD
    web.run("umount /srv/sentinel/volume; chattr -R -i /srv/sentinel; rm -rf /srv/sentinel", check=False)
    assert unchanged(before, web.tree()) == []


class Neighbour:
    """Asks for a neighbour's page without a break."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.seen: set[tuple[int, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.is_set():
            self.seen.add(self._web.get("neighbour.test"))
            time.sleep(0.02)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_home_full_of_traps_leaves_and_nothing_outside_is_touched(web: Web, account: Any) -> None:
    web.step("domain", NUMBER, "second.test")
    web.as_user(NUMBER, f"python3 -c {shlex.quote(TRAPS)}")
    web.run(ROOTS_TRAPS)
    web.as_user(NUMBER, f"cd {HOME}; trap '' TERM HUP; nohup setsid bash -c {shlex.quote(WRITER)} >/dev/null 2>&1 &")
    web.as_user(NUMBER, f"cd {HOME}/www/many; nohup setsid sleep 5555 >/dev/null 2>&1 &")
    before, body = web.run(SENTINEL), web.get("neighbour.test")
    rehearsed = leave(web, check=True)
    assert (rehearsed.outcome, web.get("leaving.test")[0]) == (Outcome.CHANGED, 200)
    shown = "".join(event.diff for event in rehearsed.events)
    for told in (
        "sites/leaving.test.conf",
        "sites/second.test.conf",
        f"{HOME}/",
        f"user w{NUMBER}",
        "packages/w1041.json",
    ):
        assert told in shown
    assert web.run(SENTINEL) == before
    with Neighbour(web) as neighbour:
        result = leave(web)
    assert (result.outcome, result.message) == (Outcome.CHANGED, "")
    assert neighbour.seen == {body}
    assert web.run(SENTINEL) == before
    assert "bound" in "".join(result.warnings) and "left alone" in "".join(result.warnings)
    web.run("chattr -i /srv/sentinel/locked; umount /srv/sentinel/volume; rm -r /srv/sentinel")
    assert unchanged(account, web.tree()) == []
    assert (names(web, NUMBER), units(web, NUMBER)) == ("", "")
    assert web.run("ls -A /home/.tenantry-removed; grep -c w1041 /proc/mounts", check=False) == "0\n"
    assert web.run(f"pgrep -u {UID}", check=False) == ""
    assert (web.get("leaving.test")[0], web.get("second.test", tls=True)[0]) == (404, 404)
    results = [leave(web), leave(web, check=True)]
    assert [(again.outcome, again.message) for again in results] == [(Outcome.OK, "")] * 2


def test_a_suspended_account_leaves_without_waking(web: Web, account: Any) -> None:
    page = "<p>asleep</p>"
    assert act(web, "account_suspended", page=page).outcome == Outcome.CHANGED
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(web.get("leaving.test")[0])

    looking = threading.Thread(target=look)
    looking.start()
    assert leave(web).outcome == Outcome.CHANGED
    stop.set()
    looking.join()
    assert seen <= {503, 404}
    assert unchanged(account, web.tree()) == []


def test_a_removal_that_was_killed_is_taken_up_by_the_next(web: Web, account: Any) -> None:
    web.as_user(NUMBER, f"python3 -c {shlex.quote(TRAPS)}")
    web.run(f"mkdir -p /srv/sentinel; echo kept >/srv/sentinel/file; ln /srv/sentinel/file {HOME}/www/hard")
    results: list[RunResult] = []
    running = threading.Thread(target=lambda: results.append(leave(web)))
    running.start()
    web.run(f"timeout 60 bash -c {shlex.quote(KILLER)}")
    running.join()
    assert not results[0].outcome.is_success
    assert web.run(f"getent passwd w{NUMBER}") != ""
    assert web.run("ls -A /home/.tenantry-removed/*") != ""
    assert leave(web).outcome == Outcome.CHANGED
    assert (names(web, NUMBER), web.run("cat /srv/sentinel/file")) == ("", "kept\n")
    web.run("rm -r /srv/sentinel")
    assert unchanged(account, web.tree()) == []


def test_what_a_run_left_half_done_goes_at_every_point(web: Web, account: Any) -> None:
    """As after a crash: parts are gone already, in the order in which they go."""
    site, pool = "/etc/nginx/tenantry/sites/leaving.test.conf", f"/etc/tenantry/web/php/8.2/w{NUMBER}.conf"
    stop = f"systemctl stop tenantry-php8.2@w{NUMBER}.socket tenantry-php8.2@w{NUMBER}.service"
    for gone in (
        f"rm {site}",  # not loaded yet
        f"rm {site} /etc/nginx/tenantry/{{php,proxy}}/w{NUMBER}.conf; systemctl reload nginx",
        f"systemctl disable --now tenantry-php8.2@w{NUMBER}.socket; rm {pool}",
        f"rm /etc/systemd/system/tenantry-w{NUMBER}.slice",
        f"mkdir /home/.tenantry-removed/w{NUMBER}; mv {HOME} /home/.tenantry-removed/w{NUMBER}/x",
        f"{stop}; rm -r {HOME}; userdel w{NUMBER}",
        f"{stop}; rm -r {HOME}; userdel w{NUMBER}; groupadd -g {UID} w{NUMBER}",
        f"rm /etc/tenantry/web/packages/w{NUMBER}.json",
    ):
        web.chain(NUMBER, "leaving.test")
        web.run(gone)
        assert leave(web).outcome == Outcome.CHANGED, gone
        assert unchanged(account, web.tree()) == [], gone
        assert (names(web, NUMBER), web.get("leaving.test")[0]) == ("", 404), gone


def test_another_services_account_and_domain_are_left_alone(web: Web, account: Any) -> None:
    before = web.tree()
    results = [
        leave(web, owner=1002),
        act(web, "domain_absent", domain="leaving.test", owner=1002),
        act(web, "domain_absent", domain="neighbour.test"),
        act(web, "domain_absent", domain="never.test"),
    ]
    assert [result.outcome for result in results] == [Outcome.OK] * 4
    assert results[0].warnings == (f"left alone: the account w{NUMBER} belongs to s{NUMBER}",)
    assert results[1].warnings == (f"left alone: leaving.test belongs to s{NUMBER}",)
    assert results[2].warnings == ("left alone: neighbour.test belongs to s1002",)
    assert unchanged(before, web.tree()) == []
    assert (web.get("leaving.test")[0], web.get("neighbour.test")[0]) == (200, 200)


def test_a_number_or_name_that_is_somebody_elses_is_refused(web: Web, account: Any) -> None:
    before = web.tree()
    web.run("useradd --uid 20777 --no-create-home somebody; useradd --no-create-home w1778")
    web.run("systemd-run --quiet --uid somebody --unit slumber /bin/sleep 600")
    refused = [
        act(web, "account_absent", uid=20777),
        act(web, "account_absent", 1777, uid=20777),
        act(web, "account_absent", 1778, uid=20778),
        act(web, "account_absent", uid=0),
        act(web, "account_absent", uid=33),
    ]
    assert [result.reason for result in refused] == ["conflict"] * 3 + ["invalid"] * 2
    assert web.run("systemctl is-active slumber").strip() == "active"
    web.run("systemctl stop slumber; userdel somebody; userdel w1778")
    assert unchanged(before, web.tree()) == []


def test_one_domain_of_several_leaves(web: Web, account: Any) -> None:
    before = web.tree()
    assert web.step("domain", NUMBER, "second.test").outcome == Outcome.CHANGED
    assert web.get("www.second.test", tls=True)[0] == 200
    assert act(web, "domain_absent", domain="second.test", check=True).outcome == Outcome.CHANGED
    with Neighbour(web) as neighbour:
        assert act(web, "domain_absent", domain="second.test").outcome == Outcome.CHANGED
    assert {status for status, _ in neighbour.seen} == {200}
    assert (web.get("www.second.test", tls=True)[0], web.get("leaving.test")[0]) == (404, 200)
    assert unchanged(before, web.tree()) == []
    assert act(web, "domain_absent", domain="second.test").outcome == Outcome.OK
    assert act(web, "domain_absent", domain="leaving.test").outcome == Outcome.CHANGED
    assert web.run("ls /etc/nginx/tenantry/{php,proxy} | grep w1041", check=False) == ""
    assert web.get("leaving.test")[0] == 404


def test_a_domain_whose_file_went_but_is_still_loaded_heals(web: Web, account: Any) -> None:
    web.run("rm /etc/nginx/tenantry/sites/leaving.test.conf")
    assert web.get("leaving.test")[0] == 200
    assert act(web, "domain_absent", domain="leaving.test").outcome == Outcome.CHANGED
    assert web.get("leaving.test")[0] == 404
    assert "leaving.test" not in web.run("ls /etc/tenantry/tls/web")


def test_a_home_that_is_a_link_is_not_followed(web: Web, account: Any) -> None:
    web.run(f"mv {HOME} /srv/w1041; mkdir /srv/sentinel; echo kept >/srv/sentinel/file; ln -s /srv/sentinel {HOME}")
    result = leave(web)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "unsafe_path")
    assert web.run("cat /srv/sentinel/file") == "kept\n"
    web.run(f"rm {HOME}; mv /srv/w1041 {HOME}")


def test_by_hand_without_an_owner_the_named_account_leaves(web: Web, account: Any) -> None:
    by_hand = {"username": f"w{NUMBER}", "uid": UID}
    assert web.steps.run(web.node, "web.account_absent", by_hand).outcome == Outcome.CHANGED
    assert unchanged(account, web.tree()) == []
