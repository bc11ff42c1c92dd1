"""server.prepare and a node on which nothing has been prepared yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import faults, nodes
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import CHAIN, Web, unchanged
from tests.support.steps import Steps

pytestmark = pytest.mark.lab


def test_check_mode_on_a_new_node_succeeds_and_changes_nothing(lab: Lab, steps: Steps) -> None:
    fresh = Web(lab, steps, "web9")
    try:
        nodes.up(lab, ["web9"])
        before = fresh.tree()
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(fresh.step, step, 1001, "shop.test", check=True) for step in CHAIN]
            runs.append(pool.submit(steps.prepare, "web9", check=True))
        assert [(run.result().outcome, run.result().message) for run in runs] == [(Outcome.CHANGED, "")] * 6
        assert unchanged(before, fresh.tree()) == []
        assert "No such file" in fresh.run(
            "ls /run/tenantry /var/lib/tenantry /etc/nginx/tenantry /run/nginx.pid", check=False
        )
        # And without the earlier steps nothing is done, with a reason.
        assert fresh.step("user", 1001).reason == "missing_software"
        assert fresh.step("domain", 1001, "shop.test").reason == "missing_software"
    finally:
        nodes.down(lab, ["web9"])


def test_preparing_again_changes_nothing(web: Web) -> None:
    before = web.tree()
    assert web.steps.prepare(web.node).outcome == Outcome.OK
    assert web.steps.prepare(web.node, check=True).outcome == Outcome.OK
    assert unchanged(before, web.tree()) == []


def test_an_unknown_name_gets_nobodys_page_and_nobodys_certificate(web: Web) -> None:
    for name in ("stranger.test", "10.0.0.1", "sub.shop.test"):
        assert web.get(name) == (404, "No site is set up under this name.\n")
        assert web.get(name, tls=True, v6=True)[0] == 404
    assert web.certificate("stranger.test") == web.run("cat /etc/tenantry/tls/node/web/placeholder/fullchain.pem")
    assert web.get("stranger.test", "/.well-known/acme-challenge/abc")[0] == 404
    assert web.get("stranger.test", "/.well-known/tenantry-loaded")[0] == 404
    assert web.get("shop.test", "/.well-known/tenantry-loaded")[0] == 404


def test_mariadb_is_local_and_root_needs_no_password_but_root(web: Web) -> None:
    listening = web.run("ss -Hltn sport = :3306")
    assert "127.0.0.1:3306" in listening
    assert len(listening.splitlines()) == 1
    assert web.run("mariadb -NBe 'SELECT CURRENT_USER()'").strip() == "root@localhost"
    assert "Access denied" in web.as_user(1001, "mariadb -u root -e 'SELECT 1'")
    assert "Access denied" in web.as_user(1001, "mariadb -u '' -e 'SELECT 1'")


def test_the_shared_php_is_off(web: Web) -> None:
    assert web.run("systemctl is-enabled php8.2-fpm.service", check=False).strip() == "disabled"
    assert web.run("systemctl is-active php8.2-fpm.service", check=False).strip() == "inactive"


def test_sites_answer_after_a_power_cut(web: Web) -> None:
    web.put(1001, "boot.php", "<?php echo 6 * 7;")
    faults.power_cut(web.lab, web.node)
    faults.boot(web.lab, web.node)
    assert web.get("shop.test", "/boot.php") == (200, "42")
    assert web.get("neighbour.test", tls=True)[0] == 200
    assert web.run("systemctl --failed --plain --no-legend").strip() == ""
    web.as_user(1001, "rm /home/w1001/www/boot.php")
