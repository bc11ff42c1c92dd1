"""One account cannot reach another one: not from PHP, not as a user, not by using up the node."""

from __future__ import annotations

import pytest

from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import Web

pytestmark = pytest.mark.lab

READER = """<?php
error_reporting(0);
foreach (['/home/w1002/www/index.html', '/home/w1001/www/index.html', '/etc/passwd'] as $path)
    echo file_get_contents($path) === false ? 'no ' : 'yes ';
foreach (['exec', 'proc_open', 'dl'] as $name)
    echo function_exists($name) ? 'yes ' : 'no ';
"""


def in_php(web: Web, command: str) -> str:
    """Run a command as an account's user where its PHP runs: what PHP could do if nothing else held it back."""
    web.get("shop.test", "/reader.php")
    return web.run(
        f"nsenter --target {web.php_master(1001)} --mount -- setpriv --reuid w1001 --regid w1001 --clear-groups "
        f"--no-new-privs bash -c '{command}'",
        check=False,
    )


def test_php_reads_its_own_files_and_nobody_elses(web: Web) -> None:
    web.put(1001, "reader.php", READER)
    assert web.get("shop.test", "/reader.php") == (200, "no yes no no no no ")


def test_other_accounts_do_not_exist_where_php_runs(web: Web) -> None:
    web.put(1001, "reader.php", READER)
    assert in_php(web, "ls /home").split() == ["w1001"]
    assert "This site has just been set up" in in_php(web, "cat /home/w1001/www/index.html")
    for path in (
        "/etc/nginx/nginx.conf",
        "/etc/tenantry/web/packages/w1002.json",
        "/var/log/tenantry/web/w1002/access.log",
    ):
        assert "Permission denied" in in_php(web, f"cat {path}")
    assert "Read-only file system" in in_php(web, "touch /etc/x /usr/x 2>&1 | head -1; touch /opt/x")


def test_the_user_itself_cannot_reach_another_accounts_things(web: Web) -> None:
    for path in (
        "/home/w1002/www/index.html",
        "/home/w1002/tmp",
        "/home/w1002/sessions",
        "/etc/tenantry/web/packages/w1002.json",
        "/etc/tenantry/web/php/8.2/w1002.conf",
        "/etc/tenantry/tls/node/web/placeholder/key.pem",
    ):
        assert "Permission denied" in web.as_user(1001, f"cat {path}")
    connect = 'import socket; socket.socket(socket.AF_UNIX).connect("/run/tenantry/php/w1002-8.2.sock")'
    assert "PermissionError" in web.as_user(1001, f"python3 -c '{connect}'")


def test_php_is_held_in_the_accounts_limits_and_gains_no_rights(web: Web) -> None:
    web.get("shop.test", "/reader.php")
    master = web.php_master(1001)
    status = web.run(f"cat /proc/{master}/status")
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert "Uid:\t20001\t20001\t20001\t20001" in status
    assert "/tenantry.slice/tenantry-w1001.slice/" in web.run(f"cat /proc/{master}/cgroup")
    limits = web.run("systemctl show -p MemoryMax -p TasksMax tenantry-w1001.slice")
    assert sorted(limits.split()) == [f"MemoryMax={(128 * 6 + 64) * 1024 * 1024}", "TasksMax=72"]
    assert web.run("stat -c '%U %a' /run/tenantry/php/w1001-8.2.sock").strip() == "www-data 600"


def test_another_package_changes_the_limits_of_what_runs(web: Web) -> None:
    limits = dict(web.params("package", 1001, "")["limits"], php_memory_mb=256, php_workers=10)
    assert web.step("package", 1001, limits=limits).outcome == Outcome.CHANGED
    shown = web.run("systemctl show -p MemoryMax tenantry-w1001.slice").strip()
    assert shown == f"MemoryMax={(256 * 11 + 64) * 1024 * 1024}"
    assert web.step("package", 1001).outcome == Outcome.CHANGED
