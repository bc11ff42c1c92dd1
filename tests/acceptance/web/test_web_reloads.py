"""Sites that come at the same time share one reload of nginx."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import NODE, Web

pytestmark = pytest.mark.lab

NUMBERS = range(3001, 3007)
PHP_FIRST = 3007
LOCKS = "/run/tenantry/lock"
LOG = "/run/nginx-notices"


@pytest.fixture(scope="module")
def accounts(web: Web) -> Iterator[Web]:
    """Yield the node with seven accounts without a site, its nginx saying when it loads its files; all goes afterwards."""
    for number in (*NUMBERS, PHP_FIRST):
        assert all(web.step(step, number).outcome is Outcome.CHANGED for step in ("package", "user"))
    web.run(
        f"sed -i 's#^error_log .*#error_log {LOG} notice;#' /etc/nginx/nginx.conf && nginx -t -q && nginx -s reload"
    )
    yield web
    for number in (*NUMBERS, PHP_FIRST):
        params = {"username": f"w{number}", "uid": 19000 + number}
        assert web.steps.run(NODE, "web.account_absent", params, service=number).outcome is Outcome.CHANGED
    assert web.steps.prepare(NODE).outcome is Outcome.CHANGED
    assert web.run(f"grep -c 'log {LOG}' /etc/nginx/nginx.conf", check=False).strip() == "0"


def loads(web: Web) -> int:
    """How often nginx has loaded its files."""
    return int(web.run(f"grep -c 'received from .*, reconfiguring' {LOG}", check=False))


def site(web: Web, number: int, *more: str) -> Outcome:
    """Make a site whose reload may wait for as long as this machine needs."""
    params = web.params("domain", number, f"s{number}.test", names=[f"s{number}.test", *more])
    return web.steps.run(NODE, "web.domain_present", params, service=number, reload_seconds=60).outcome


def until(web: Web, command: str, number: int) -> None:
    """Wait until a command on the node prints this number."""
    deadline = time.monotonic() + 60
    while (said := web.run(command, check=False).strip()) != str(number):
        assert time.monotonic() < deadline, (command, said)
        time.sleep(0.1)


def test_six_sites_at_once_are_one_reload(accounts: Web) -> None:
    web = accounts
    # Somebody holds the daemon's lock until all six stand before it.
    hold = f"flock {LOCKS}/nginx sh -c 'touch /run/held; while [ -e /run/held ]; do sleep 0.05; done'"
    holder = threading.Thread(target=web.run, args=(hold,))
    holder.start()
    until(web, "test -e /run/held && echo 1", 1)
    before = loads(web)
    with ThreadPoolExecutor(len(NUMBERS)) as pool:
        steps = [pool.submit(site, web, number) for number in NUMBERS]
        until(web, f'grep -c "FLOCK .* READ .*:$(stat -c %i {LOCKS}/nginx-coming) " /proc/locks', len(NUMBERS))
        web.run("rm /run/held")
        assert [one.result() for one in steps] == [Outcome.CHANGED] * len(NUMBERS)
    holder.join()
    assert loads(web) == before + 1
    assert [site(web, number) for number in NUMBERS] == [Outcome.OK] * len(NUMBERS)
    assert loads(web) == before + 1


def test_one_alone_waits_for_nobody(accounts: Web) -> None:
    before, begun = loads(accounts), time.monotonic()
    assert site(accounts, NUMBERS[0], "alone.test") is Outcome.CHANGED
    assert time.monotonic() - begun < 50, "far below the time that it would wait for others"
    assert loads(accounts) == before + 1


def test_php_before_the_site_is_loaded_with_it(accounts: Web) -> None:
    web, before = accounts, loads(accounts)
    assert [web.step("php", PHP_FIRST).outcome for _ in range(2)] == [Outcome.CHANGED, Outcome.OK]
    assert loads(web) == before
    assert site(web, PHP_FIRST) is Outcome.CHANGED
    assert web.step("php", PHP_FIRST).outcome is Outcome.OK  # it has asked nginx
    assert loads(web) == before + 1
