"""A suspended account answers nothing but its page, runs nothing, lets nobody in, and is as before when it wakes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import addresses
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import CHAIN, GOOD, Web, unchanged

pytestmark = pytest.mark.lab

PAGE = "<!doctype html>\n<title>Suspended</title>\n<p>{{ 7*7 }} Back soon: süß $uri.</p>\n"
NAMES = ("shop.test", "www.shop.test")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND")
PATHS = (
    *(
        "/",
        "/index.html",
        "/ran.php",
        "/ran.php?a=1&b=/.well-known/acme-challenge/",
        "/ran.php/more",
        "//ran.php",
        "/missing",
    ),
    *("/.env", "/.well-known/x", "/a/../ran.php", "/%72an.php", "/.tenantry-suspended", "/.tenantry-suspended?x=1"),
    *("/.tenantry-suspended%0a", "/.tenantry-suspended/ran.php", "/.well-known/tenantry-loaded%0a"),
    *("/.well-known/acme-challenge/../../ran.php", "/.well-known/acme-challenge%2f..%2f..%2fran.php"),
)
RAN = "<?php touch('/home/w1001/tmp/ran'); echo 'ran';"


def act(web: Web, action: str, number: int, /, *, check: bool = False, owner: int = 0, **params: Any) -> RunResult:
    """Run a step of this area for an account."""
    given = {"username": f"w{number}", **params}
    return web.steps.run(web.node, f"web.{action}", given, service=owner or number, check=check)


def suspend(web: Web, number: int, **more: Any) -> RunResult:
    return act(web, "account_suspended", number, page=PAGE, retry_after=7200, **more)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)


def ask(
    web: Web, name: str, method: str, path: str, *, tls: bool, body: bytes | None = None
) -> tuple[int, dict[str, str], str]:
    """Return (status, headers in lower case, body) of a request sent as it stands."""
    connection = http.client.HTTPConnection(name, timeout=20)
    connection.sock = web.connect(name) if tls else web._plain(80, False)
    connection.request(method, path, body=body, headers={"Connection": "close", "Range": "bytes=0-1"})
    answer = connection.getresponse()
    headers = {key.lower(): value for key, value in answer.getheaders()}
    return answer.status, headers, answer.read().decode("utf-8", "replace")


def is_page(method: str, answer: tuple[int, dict[str, str], str]) -> bool:
    status, headers, body = answer
    wanted = {"retry-after": "7200", "x-robots-tag": "noindex", "cache-control": "no-store"}
    said = {key: headers.get(key) for key in wanted}
    return (status, said, body) == (503, wanted, "" if method == "HEAD" else PAGE)


@contextmanager
def watched(web: Web, *names: str) -> Iterator[dict[str, set[int]]]:
    """Ask for the front pages without a break and collect which statuses were seen."""
    seen: dict[str, set[int]] = {name: set() for name in names}
    stop = threading.Event()

    def look(name: str) -> None:
        while not stop.is_set():
            seen[name].add(web.get(name)[0])

    watchers = [threading.Thread(target=look, args=(name,)) for name in names]
    for watcher in watchers:
        watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()


def processes(web: Web, number: int) -> str:
    return web.run(f"pgrep -l -u w{number}", check=False).strip()


@pytest.fixture(scope="module")
def asleep(web: Web) -> Iterator[Web]:
    """Yield the node with w1001 suspended in the midst of everything it can be doing."""
    web.put(1001, "ran.php", RAN)
    web.run("rm -f /home/w1001/tmp/ran")
    assert web.get("shop.test", "/ran.php") == (200, "ran")
    web.put(
        1001, "slow.php", "<?php for ($end = time() + 60; time() < $end;) usleep(9000); touch('/home/w1001/tmp/late');"
    )
    address = addresses.of(web.lab, web.node).ipv4
    web.run(
        f'systemd-run --quiet --unit slow python3 -c "import urllib.request as u; u.urlopen(u.Request('
        f"'http://{address}/slow.php', headers={{'Host': 'shop.test'}}))\""
    )
    web.as_user(1001, "nohup setsid sleep 3333 >/dev/null 2>&1 &")
    web.as_user(1001, "trap '' TERM HUP INT; nohup setsid sh -c 'while :; do sleep 7777; done' >/dev/null 2>&1 &")
    breeder = "while :; do sleep 4444 & sleep 0.02; done"
    web.as_user(1001, f"trap '' TERM; ulimit -u 300; nohup setsid bash -c '{breeder}' >/dev/null 2>&1 &")
    eventually(lambda: all(number in web.run("pgrep -a -u w1001") for number in ("3333", "7777", "4444", "pool w1001")))
    web.before = web.tree()  # type: ignore[attr-defined]
    web.run("rm /home/w1001/tmp/ran")
    web.run("systemctl reset-failed slow 2>/dev/null", check=False)
    web.rehearsed = suspend(web, 1001, check=True)  # type: ignore[attr-defined]
    web.after_rehearsal = web.tree()  # type: ignore[attr-defined]
    with watched(web, "neighbour.test") as seen:
        web.suspended = suspend(web, 1001)  # type: ignore[attr-defined]
    web.neighbour = seen["neighbour.test"]  # type: ignore[attr-defined]
    yield web
    act(web, "account_active", 1001)
    web.step("proxy", 1001)
    web.as_user(1001, "cd /home/w1001; rm -f www/ran.php www/slow.php tmp/ran tmp/late")


def test_check_mode_tells_and_changes_nothing(asleep: Any) -> None:
    assert (asleep.rehearsed.outcome, asleep.rehearsed.message) == (Outcome.CHANGED, "")
    shown = "".join(event.diff for event in asleep.rehearsed.events)
    for told in ("suspended/w1001.json", "suspended/w1001.conf", "tenantry-php8.2@w1001.socket", "processes of w1001"):
        assert told in shown
    changed = unchanged(asleep.before, asleep.after_rehearsal)
    assert [line for line in changed if "/home/w1001/tmp" not in line] == []


def test_every_name_method_and_path_answers_with_the_page(asleep: Any) -> None:
    assert (asleep.suspended.outcome, asleep.suspended.message) == (Outcome.CHANGED, "")
    for name in NAMES:
        for tls in (False, True):
            wrong = [
                (method, path)
                for method in METHODS
                for path in PATHS
                if not is_page(method, ask(asleep, name, method, path, tls=tls))
            ]
            assert wrong == [], (name, tls)
    large = ask(asleep, "shop.test", "POST", "/ran.php", tls=True, body=b"x" * 2_000_000)
    assert is_page("POST", large)
    assert ask(asleep, "shop.test", "GET", "/.well-known/acme-challenge/token", tls=False)[0] == 404
    assert asleep.get("shop.test", "/.well-known/tenantry-loaded")[0] == 404
    assert asleep.neighbour == {200}


def test_nothing_of_it_runs_and_nothing_can_be_started(asleep: Any) -> None:
    assert processes(asleep, 1001) == ""
    for kind in ("socket", "service"):
        asleep.run(f"systemctl start tenantry-php8.2@w1001.{kind}", check=False)
        assert asleep.run(f"systemctl is-active tenantry-php8.2@w1001.{kind}", check=False).strip() == "inactive"
    asleep.run("systemctl daemon-reload; systemctl restart sockets.target")
    assert "w1001" not in asleep.run("ls /run/tenantry/php")
    assert "tenantry" not in asleep.run("systemctl --failed --no-legend")
    assert asleep.run("ls -A /home/w1001/tmp").strip() == ""


def test_it_stays_asleep_whatever_is_done_to_it(asleep: Any) -> None:
    templates = (
        {"template": "static"},
        {"template": "reverse", "upstream": "http://127.0.0.1:3999"},
        {"template": "php"},
    )
    with watched(asleep, *NAMES, "neighbour.test") as seen:
        results = [*asleep.chain(1001, "shop.test"), asleep.steps.prepare(asleep.node)]
        for values in templates:
            results.append(asleep.step("proxy", 1001, **values))
            for path in PATHS:
                assert is_page("PUT", ask(asleep, "shop.test", "PUT", path, tls=True)), (values, path)
        results += [asleep.step("php", 1001, memory_mb=64), asleep.step("php", 1001)]
        names = ["shop.test", "www.shop.test", "new.test"]
        results.append(asleep.step("domain", 1001, "shop.test", names=names))
        assert asleep.get("new.test")[0] == 503
        results.append(asleep.step("domain", 1001, "shop.test"))
    assert [(result.outcome, result.message) for result in results if result.outcome not in GOOD] == []
    assert {result.warnings for result in results[6:9]} == {()}
    assert seen == {"shop.test": {503}, "www.shop.test": {503}, "neighbour.test": {200}}
    assert processes(asleep, 1001) == ""
    assert suspend(asleep, 1001).outcome == Outcome.OK


def test_a_second_run_changes_nothing_and_neither_does_check_mode(asleep: Any) -> None:
    before = asleep.tree()
    results = [suspend(asleep, 1001), suspend(asleep, 1001, check=True), *asleep.chain(1001, "shop.test")]
    assert {(result.outcome, result.message) for result in results} == {(Outcome.OK, "")}
    assert unchanged(before, asleep.tree()) == []


@pytest.mark.parametrize(
    ("harm", "hint"),
    [
        ("rm /etc/nginx/tenantry/suspended/w1001.conf; systemctl reload nginx", "suspended/w1001.conf"),
        ("rm /var/lib/tenantry/web/suspended/w1001.html", "suspended/w1001.html"),
        ("chmod 644 /etc/tenantry/web/suspended/w1001.json", "suspended/w1001.json"),
        (
            "mv /etc/tenantry/web/suspended/w1001.json /root/m; systemctl start tenantry-php8.2@w1001.socket; "
            "mv /root/m /etc/tenantry/web/suspended/w1001.json",
            "w1001.socket",
        ),
    ],
)
def test_what_is_changed_by_hand_is_put_right(asleep: Any, harm: str, hint: str) -> None:
    before = asleep.tree()
    asleep.run(harm)
    told = suspend(asleep, 1001, check=True)
    headers = [event.diff for event in told.events if event.diff]
    assert told.outcome == Outcome.CHANGED and len(headers) == 1 and hint in headers[0], headers
    results = [suspend(asleep, 1001) for _ in range(2)]
    assert [(result.outcome, result.message) for result in results] == [(Outcome.CHANGED, ""), (Outcome.OK, "")]
    assert unchanged(before, asleep.tree()) == []
    assert asleep.get("shop.test", "/ran.php") == (503, PAGE)


def test_another_services_suspension_is_refused(asleep: Any) -> None:
    before = asleep.tree()
    for result in (suspend(asleep, 1001, owner=1002), act(asleep, "account_active", 1001, owner=1002)):
        assert result.reason == "conflict"
        assert "belongs to s1001" in result.message
    assert unchanged(before, asleep.tree()) == []


def test_it_wakes_as_it_was(asleep: Any) -> None:
    rehearsed = act(asleep, "account_active", 1001, check=True)
    assert rehearsed.outcome == Outcome.CHANGED
    assert asleep.get("shop.test")[0] == 503
    with watched(asleep, "shop.test", "neighbour.test") as seen:
        assert act(asleep, "account_active", 1001).outcome == Outcome.CHANGED
        eventually(lambda: asleep.get("shop.test")[0] == 200)
    assert seen["neighbour.test"] == {200}
    assert seen["shop.test"] <= {200, 503}
    changed = unchanged(asleep.before, asleep.tree())
    assert [line for line in changed if "/home/w1001/tmp" not in line] == []
    assert asleep.get("www.shop.test", "/ran.php", tls=True) == (200, "ran")
    results = [act(asleep, "account_active", 1001), act(asleep, "account_active", 1001, check=True)]
    assert [result.outcome for result in results + asleep.chain(1001, "shop.test")] == [Outcome.OK] * (2 + len(CHAIN))


def test_a_run_that_died_is_taken_up(web: Web) -> None:
    marker = "/etc/tenantry/web/suspended/w1001.json"
    before = web.tree()
    web.run(f"""echo '{{"owner": "s1001", "saved": {{}}}}' >{marker}""")  # suspended, and no further
    assert web.get("shop.test")[0] == 200
    assert suspend(web, 1001).outcome == Outcome.CHANGED
    assert web.get("shop.test")[0] == 503
    web.run(f"rm {marker}")  # woken, and no further
    assert act(web, "account_active", 1001).outcome == Outcome.CHANGED
    assert web.get("shop.test")[0] == 200
    assert unchanged(before, web.tree()) == []


def test_an_account_suspended_before_it_is_there_is_set_up_asleep(web: Web) -> None:
    before = web.tree()
    assert suspend(web, 1031).outcome == Outcome.CHANGED
    with watched(web, "early.test") as seen:
        results = web.chain(1031, "early.test")
    assert [(result.outcome, result.message) for result in results if result.outcome not in GOOD] == []
    assert seen["early.test"] <= {404, 503}
    assert is_page("GET", ask(web, "early.test", "GET", "/index.php", tls=True))
    assert processes(web, 1031) == ""
    assert suspend(web, 1031).outcome == Outcome.OK
    assert act(web, "account_active", 1031).outcome == Outcome.CHANGED
    assert web.get("early.test")[0] == 200
    assert act(web, "account_absent", 1031, uid=20031).outcome == Outcome.CHANGED
    assert unchanged(before, web.tree()) == []
