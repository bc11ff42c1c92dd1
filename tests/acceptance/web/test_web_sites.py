"""An account's site: it answers, runs PHP, is left alone by a second run and heals."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import snapshot
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import CHAIN, Web, unchanged

pytestmark = pytest.mark.lab

SITE = "/etc/nginx/tenantry/sites/shop.test.conf"
POOL = "/etc/tenantry/web/php/8.2/w1001.conf"


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)


def test_the_welcome_page_answers_under_every_name_and_address(web: Web) -> None:
    for name in ("shop.test", "www.shop.test"):
        for tls in (False, True):
            for v6 in (False, True):
                status, body = web.get(name, tls=tls, v6=v6)
                assert (status, "This site has just been set up" in body) == (200, True)
    with web.connect("shop.test") as connection:
        assert connection.version() == "TLSv1.3"
    assert web.certificate("shop.test") == web.run("cat /etc/tenantry/tls/node/web/placeholder/fullchain.pem")


def test_a_second_run_changes_nothing_and_neither_does_check_mode(web: Web) -> None:
    web.get("shop.test")
    before = web.tree()
    pids = web.php_master(1001), web.run("pgrep -o nginx"), web.run("pgrep -f '[n]ginx: worker'")
    with ThreadPoolExecutor(3) as pool:
        results = [*pool.map(lambda step: web.step(step, 1001, "shop.test"), CHAIN)]
        results += pool.map(lambda step: web.step(step, 1001, "shop.test", check=True), CHAIN)
    assert {(result.outcome, result.message) for result in results} == {(Outcome.OK, "")}
    assert unchanged(before, web.tree()) == []
    assert pids == (web.php_master(1001), web.run("pgrep -o nginx"), web.run("pgrep -f '[n]ginx: worker'"))
    assert results[4].facts == {"template": "php", "pages": {"shop.test": 200}}
    assert results[2].facts["certificate"] == "placeholder"


def test_what_the_customer_has_put_there_is_his(web: Web) -> None:
    web.put(1001, "index.html", "mine")
    web.step("user", 1001)
    assert web.get("shop.test") == (200, "mine")
    web.as_user(1001, "rm /home/w1001/www/index.html")
    assert web.step("user", 1001).outcome == Outcome.OK
    assert web.get("shop.test")[0] in (403, 404)
    web.put(1001, "index.html", "This site has just been set up")


def test_php_runs_as_the_account_and_only_files_that_exist(web: Web) -> None:
    web.put(
        1001,
        "who.php",
        "<?php echo get_current_user(), getmyuid(), '|', $_SERVER['PATH_INFO'] ?? '', '|', ini_get('memory_limit');",
    )
    web.put(1001, "photo.jpg", "<?php echo 'run';")
    assert web.get("shop.test", "/who.php/a/b?c=d") == (200, "w100120001|/a/b|128M")
    assert web.get("shop.test", "/photo.jpg/x.php")[0] == 404
    assert web.get("shop.test", "/photo.jpg")[1] == "<?php echo 'run';"
    assert web.get("shop.test", "/missing.php")[0] == 404
    assert web.get("shop.test", "/tenantry-ping")[0] == 404


def test_hidden_files_are_not_served_but_well_known_is(web: Web) -> None:
    web.as_user(
        1001,
        "cd /home/w1001/www && mkdir -p .git .well-known && echo s >.git/config && echo s >.env && echo w >.well-known/x",
    )
    assert [web.get("shop.test", path)[0] for path in ("/.git/config", "/.env", "/.well-known/x")] == [404, 404, 200]


def test_each_request_is_logged_for_its_account(web: Web) -> None:
    status, body = web.get("www.shop.test", '/index.html?q="\\x')
    log = "/var/log/tenantry/web/w1001/access.log"
    line = json.loads(web.run(f"tail -n 1 {log}"))
    assert (line["site"], line["host"], line["status"], status) == ("shop.test", "www.shop.test", 200, 200)
    assert line["out"] > len(body)
    assert line["in"] > 0
    assert web.run("stat -c '%U:%G %a' /var/log/tenantry/web/w1001").strip() == "root:w1001 750"
    assert "Permission denied" in web.as_user(1002, f"cat {log}")


def test_a_file_that_was_swapped_but_never_loaded_heals(web: Web) -> None:
    names = ["shop.test", "www.shop.test", "alias.test"]
    assert web.step("domain", 1001, "shop.test", names=names).outcome == Outcome.CHANGED
    assert web.get("alias.test")[0] == 200
    swapped = web.run(f"cat {SITE}")
    assert web.step("domain", 1001, "shop.test").outcome == Outcome.CHANGED
    assert web.get("alias.test")[0] == 404
    web.run(f"cat >{SITE} <<'END'\n{swapped}END")
    # As after a crash: the file is right, and nginx does not know it.
    assert web.step("domain", 1001, "shop.test", names=names).outcome == Outcome.CHANGED
    assert web.get("alias.test")[0] == 200
    assert web.step("domain", 1001, "shop.test", names=names).outcome == Outcome.OK
    web.step("domain", 1001, "shop.test")


def test_a_pool_that_was_swapped_but_never_loaded_heals(web: Web) -> None:
    web.put(1001, "memory.php", "<?php echo ini_get('memory_limit');")
    assert web.step("php", 1001, memory_mb=64).outcome == Outcome.CHANGED
    assert web.get("shop.test", "/memory.php") == (200, "64M")
    swapped = web.run(f"cat {POOL}")
    assert web.step("php", 1001).outcome == Outcome.CHANGED
    web.run(f"cat >{POOL} <<'END'\n{swapped}END")
    assert web.get("shop.test", "/memory.php") == (200, "128M")
    assert web.step("php", 1001, memory_mb=64).outcome == Outcome.CHANGED
    assert web.get("shop.test", "/memory.php") == (200, "64M")
    web.step("php", 1001)


def test_a_change_of_one_accounts_php_cuts_off_nobodys_request(web: Web) -> None:
    web.put(1001, "slow.php", "<?php usleep(4000000); echo 'done';")
    web.put(1002, "slow.php", "<?php usleep(4000000); echo 'done';")
    answers: list[tuple[int, str]] = []
    requests = [
        threading.Thread(target=lambda name=name: answers.append(web.get(name, "/slow.php")))
        for name in ("shop.test", "neighbour.test")
    ]
    neighbour = web.php_master(1002)
    for request in requests:
        request.start()
    eventually(lambda: len(web.run("pgrep -fc 'pool w100[12]'").strip()) > 0 and web.php_master(1002) != "0")
    assert web.step("php", 1001, workers=6).outcome == Outcome.CHANGED
    for request in requests:
        request.join()
    assert answers == [(200, "done")] * 2
    assert neighbour in ("0", web.php_master(1002))
    web.step("php", 1001)


def test_another_php_version_takes_over_without_a_gap(web: Web) -> None:
    unit = "/etc/systemd/system/tenantry-php8.{}@."
    web.run(
        "ln -s php-fpm8.2 /usr/sbin/php-fpm8.3; for kind in socket service; do "
        f"sed s/8.2/8.3/g {unit.format(2)}$kind >{unit.format(3)}$kind; done; systemctl daemon-reload"
    )
    web.put(1001, "still.php", "<?php echo 'here';")
    before = web.tree()
    seen, stop = set[tuple[int, str]](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.add(web.get("shop.test", "/still.php"))

    asking = threading.Thread(target=ask)
    asking.start()
    results = [web.step("php", 1001, version="8.3"), web.step("php", 1001, version="8.3")]
    sockets = web.run("ls /run/tenantry/php")
    results += [web.step("php", 1001), web.step("php", 1001)]
    stop.set()
    asking.join()
    web.run(f"rm -rf /usr/sbin/php-fpm8.3 {unit.format(3)}* /etc/tenantry/web/php/8.3; systemctl daemon-reload")
    assert [result.outcome for result in results] == [Outcome.CHANGED, Outcome.OK] * 2
    assert ("w1001-8.3.sock" in sockets, "w1001-8.2.sock" in sockets) == (True, False)
    assert seen == {(200, "here")}
    assert [line for line in unchanged(before, web.tree()) if "8.3" not in line] == []


def test_static_serves_no_source(web: Web) -> None:
    web.put(1001, "secret.php", "<?php $password = 'x';")
    assert web.step("proxy", 1001, template="static").facts["template"] == "static"
    assert web.get("shop.test")[0] == 200
    assert [web.get("shop.test", path)[0] for path in ("/secret.php", "/secret.php/x", "/secret.PHP")] == [404] * 3
    assert web.step("proxy", 1001).outcome == Outcome.CHANGED


def test_a_program_of_the_account_answers_behind_reverse(web: Web) -> None:
    web.as_user(1001, "mkdir -p /home/w1001/tmp/app && echo app >/home/w1001/tmp/app/index.html")
    web.run(
        "systemd-run --unit app --uid w1001 --working-directory /home/w1001/tmp/app python3 -m http.server --bind 127.0.0.1 3000"
    )
    eventually(lambda: ":3000" in web.run("ss -Hltn"))
    result = web.step("proxy", 1001, template="reverse", upstream="http://127.0.0.1:3000")
    assert (result.outcome, result.facts["pages"]) == (Outcome.CHANGED, {"shop.test": 200})
    assert web.get("shop.test", tls=True) == (200, "app\n")
    assert web.step("proxy", 1001, template="reverse", upstream="http://127.0.0.1:3000").outcome == Outcome.OK
    stolen = web.step("proxy", 1002, template="reverse", upstream="http://127.0.0.1:3000")
    assert (stolen.reason, "not the account's own" in stolen.message) == ("conflict", True)
    web.run("systemctl stop app")
    gone = web.step("proxy", 1001, template="reverse", upstream="http://127.0.0.1:3000")
    assert gone.warnings == ("the front page of shop.test answers 502",)
    web.step("proxy", 1001)
    web.as_user(1001, "rm -r /home/w1001/tmp/app")


def test_the_diff_shows_what_would_change(web: Web) -> None:
    before = web.tree()
    result = web.step("domain", 1001, "shop.test", names=["shop.test", "more.test"], check=True)
    assert result.outcome == Outcome.CHANGED
    assert "more.test" in "".join(event.diff for event in result.events)
    assert snapshot.diff(before, web.tree()) == []
