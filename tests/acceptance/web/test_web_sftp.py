"""SFTP logins: file transfer inside the account's home, by key or password, and nothing else."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from lab import addresses
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged
from tests.support.sftp import Customer
from tests.support.web_objects import act, eventually, heals, marked_suspended, told

pytestmark = pytest.mark.lab

LOGIN = "w1001_up"
PASSWORD = "correct horse battery"
SALT = b"$2b$04$abcdefghijklmnopqrstuu"  # always the same, so that the same password is no change
KEYS = f"/etc/tenantry/web/sftp/keys/{LOGIN}"
ROOT = "/etc/tenantry/web/sftp/roots/20001"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), SALT).decode()


@pytest.fixture(scope="module")
def customer(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """Return the customer who owns the account."""
    folder: Path = tmp_path_factory.mktemp("customer")
    names = folder / "known_hosts"
    pinned = web.lab.known_hosts.read_text().splitlines()
    mine = [line for line in pinned if web.node in line.split(" ", 1)[0].split(",")]
    address = addresses.of(web.lab, web.node).ipv4
    names.write_text("".join(f"{address} {line.split(' ', 1)[1]}\n" for line in mine))
    return Customer(folder, address, names, LOGIN)


def present(web: Web, customer: Customer, *, check: bool = False, owner: int = 0, **more: Any) -> RunResult:
    params = {"name": LOGIN, "password_hash": hashed(PASSWORD), "public_keys": [customer.public_key], "folder": "www"}
    return act(web, "sftp_present", 1001, check=check, owner=owner, **{**params, **more})


def absent(web: Web, *, check: bool = False, owner: int = 0, name: str = LOGIN) -> RunResult:
    return act(web, "sftp_absent", 1001, check=check, owner=owner, name=name)


@pytest.fixture(scope="module", autouse=True)
def login(web: Web, customer: Customer) -> Iterator[None]:
    """Give the account a login; once it is gone the node is as before, files uploaded aside."""
    before = web.tree()
    first = present(web, customer)
    assert first.outcome is Outcome.CHANGED, first
    assert hashed(PASSWORD) not in repr(first)
    assert present(web, customer).outcome is Outcome.OK
    yield
    assert absent(web).outcome in GOOD
    web.run("rm -rf /home/w1001/www/up* /home/w1001/www/in")
    assert unchanged(before, web.tree()) == []


def test_files_go_up_as_the_accounts_own_and_php_serves_them(web: Web, customer: Customer) -> None:
    (customer.folder / "up.php").write_text("<?php echo get_current_user(), ' uploaded';")
    worked, said = customer.sftp("pwd", "put up.php", "mkdir in", "get index.html")
    assert (worked, "Remote working directory: /www" in said) == (True, True), said
    assert web.get("shop.test", "/up.php") == (200, "w1001 uploaded")
    assert web.run("stat -c '%U:%G %a' /home/w1001/www/up.php /home/w1001/www/in").split() == [
        *("w1001:www-data", "644"),
        *("w1001:www-data", "2755"),
    ]


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_key_and_password_both_let_in_and_wrong_ones_do_not(web: Web, customer: Customer, password: str) -> None:
    worked, said = customer.sftp("pwd", password=password)
    assert (worked, "/www" in said) == (True, True), said
    assert customer.sftp("pwd", password="wrong")[0] is False


def test_a_session_sees_the_accounts_home_and_nothing_outside(web: Web, customer: Customer) -> None:
    worked, said = customer.sftp("cd /", "ls -1")
    assert worked
    assert set(said.split("ls -1\n")[1].split()) == {"logs", "sessions", "tmp", "www"}
    for command in (
        "get /etc/passwd x",
        "get ../../../../etc/passwd x",
        "cd /home/w1002",
        "ls /proc",
        "mkdir /new",
        "rename /www /away",
        "rm /tmp",
        "chmod 777 /",
        "put up.php /up.php",
    ):
        worked, said = customer.sftp(command)
        assert worked is False, (command, said)
    # A link may be made; it leads nowhere but inside, and nginx does not follow it.
    assert customer.sftp("symlink /etc/passwd up-link")[0]
    assert customer.sftp("get up-link x")[0] is False
    assert web.get("shop.test", "/up-link")[0] in (403, 404)


def test_there_is_no_shell_no_forwarding_and_no_second_way_out_of_the_walls(web: Web, customer: Customer) -> None:
    for arguments in (("node", "id"), ("node",), ("-tt", "node"), ("node", "/usr/lib/openssh/sftp-server -d /")):
        code, said = customer.ssh(*arguments)
        assert "uid=" not in said and "$" not in said, said
    assert customer.ssh("node", "id")[0] == 1
    for arguments in (
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "18080:127.0.0.1:80", "node"),
        ("-N", "-o", "ExitOnForwardFailure=yes", "-w", "any:any", "node"),
        ("-W", "127.0.0.1:3306", "node"),
    ):
        code, said = customer.ssh(*arguments)
        assert code != 0, (arguments, said)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tunnel = customer.session("-N", "-L", f"127.0.0.1:{port}:127.0.0.1:3306", "node")
    try:
        eventually(lambda: opens(port))
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.settimeout(10)
            assert connection.recv(64) == b""  # closed at once, instead of MariaDB's greeting
    finally:
        tunnel.kill()
        tunnel.communicate()


def opens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_session_starts_no_manager_of_systemd(web: Web, customer: Customer) -> None:
    """Through such a manager's socket the account's PHP could start programs outside its walls and limits."""
    with open_session(web, customer):
        assert web.run("systemctl is-active user@20001.service", check=False).strip() == "inactive"
        assert "No such file" in web.run("ls -d /run/user/20001", check=False)
    assert web.run("systemctl is-active user@1000.service").strip() == "active"  # the operators' own


class open_session:  # noqa: N801 - used as a statement
    """A session that is open meanwhile."""

    def __init__(self, web: Web, customer: Customer) -> None:
        self.web, self.process = web, customer.session()

    def __enter__(self) -> subprocess.Popen[str]:
        eventually(lambda: sessions(self.web) == 1)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        eventually(lambda: sessions(self.web) == 0)


def sessions(web: Web) -> int:
    return len(web.run(f"pgrep -f '[s]shd: {LOGIN}@notty'", check=False).split())


USER = f"user {LOGIN}"


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (f"userdel --force {LOGIN}", [USER, f"expiry of {LOGIN}", f"password of {LOGIN}"]),
        (f"usermod -s /bin/bash {LOGIN}; echo 'ssh-rsa x' >>{KEYS}", [USER, KEYS]),
        (f"gpasswd -d {LOGIN} tenantry-sftp; usermod -aG sudo {LOGIN}; chmod 666 {KEYS}", [USER, KEYS]),
        (f"rm {KEYS} {ROOT}; echo {LOGIN}:other | chpasswd", [ROOT, KEYS, f"password of {LOGIN}"]),
        (f"ln -sfn /home/w1002 {ROOT}; usermod -L {LOGIN}", [ROOT, f"password of {LOGIN}"]),
        (f"chage -E 2020-01-01 -M 30 {LOGIN}; chown w1001 {KEYS}", [KEYS, f"expiry of {LOGIN}"]),
        ("rm /etc/tenantry/web/objects/w1001/*; touch /tmp/none", []),
    ],
)
def test_what_was_changed_by_hand_is_told_and_put_right(
    web: Web, customer: Customer, drift: str, expected: list[str]
) -> None:
    keep = "cp -a /etc/tenantry/web/objects/w1001 /root/kept"
    back = "mkdir -p -m 700 /etc/tenantry/web/objects/w1001; cp -a /root/kept/. /etc/tenantry/web/objects/w1001; rm -r /root/kept"
    web.run(f"{keep}; {drift}")
    if not expected:  # without its record it is somebody else's
        assert present(web, customer).reason == "conflict"
        web.run(back)
        return
    heals(partial(present, web, customer), expected)
    web.run(back)
    assert customer.sftp("pwd")[0] and customer.sftp("pwd", password=PASSWORD)[0]


def test_another_folder_and_no_password(web: Web, customer: Customer) -> None:
    result = present(web, customer, folder="tmp", password_hash=None)
    assert (told(result), result.facts["password"]) == (
        [USER, f"expiry of {LOGIN}", f"password of {LOGIN}"],
        False,
    )
    assert "Remote working directory: /tmp" in customer.sftp("pwd")[1]
    assert customer.sftp("pwd", password=PASSWORD)[0] is False
    assert present(web, customer).outcome is Outcome.CHANGED


def test_the_accounts_own_user_is_found_and_mended_beside_logins(web: Web, customer: Customer) -> None:
    assert web.run("getent passwd 20001").startswith("w1001:")
    web.run("systemctl stop 'tenantry-php8.2@w1001.service'; userdel --force w1001")
    repaired = web.step("user", 1001)
    assert "user w1001" in told(repaired), repaired
    assert web.run("getent passwd 20001").startswith(f"{LOGIN}:")
    assert told(present(web, customer))[0] == USER  # it has to stand after the account
    assert web.run("getent passwd 20001").startswith("w1001:")
    assert web.get("shop.test", "/")[0] == 200
    assert customer.sftp("pwd")[0]


def test_while_the_account_is_suspended_the_login_is_refused(web: Web, customer: Customer) -> None:
    with open_session(web, customer) as session, marked_suspended(web, 1001):
        heals(partial(present, web, customer), [USER, f"sessions of {LOGIN}"])
        session.communicate(timeout=30)  # it was ended
        assert [customer.sftp("pwd", password=one)[0] for one in ("", PASSWORD)] == [False, False]
        web.run(f"userdel --force {LOGIN}")
        present(web, customer)
        assert [customer.sftp("pwd", password=one)[0] for one in ("", PASSWORD)] == [False, False]
    assert told(present(web, customer)) == [USER]
    assert customer.sftp("pwd")[0]


BAD: list[dict[str, Any]] = [
    {"name": "w1002_x"},
    {"name": "w1001_" + "a" * 27},
    {"name": "w1001_x:0:0"},
    {"folder": "../w1002"},
    {"folder": "/etc"},
    {"password_hash": "secret"},
    {"password_hash": "$1$abc$" + "x" * 22},
    {"password_hash": hashed("x") + "\nroot:x"},
    {"public_keys": ['command="id" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWz2NvBTW1tqPPOwXQWq7hB1zRlKzTJ0YVqg3D3Sp4r']},
    {"public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWz2NvBTW1tqPPOwXQWq7hB1zRlKzTJ0YVqg3D3Sp4r\nssh-rsa x"]},
    {"public_keys": ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ"]},
]


def test_bad_input_and_other_peoples_users_are_refused(web: Web, customer: Customer) -> None:
    before = web.tree()
    with ThreadPoolExecutor(3) as pool:  # each as another service, so that none overtakes another
        runs = [pool.submit(present, web, customer, owner=3200 + number, **more) for number, more in enumerate(BAD)]
    found = [(run.result().outcome, run.result().reason) for run in runs]
    assert found == [(Outcome.INVALID, "invalid")] * len(BAD)
    web.run("useradd -M w1001_byhand")
    assert present(web, customer, name="w1001_byhand").reason == "conflict"
    assert absent(web, name="w1001_byhand").warnings[0].startswith("left alone")
    web.run("id w1001_byhand; userdel w1001_byhand")
    assert absent(web, owner=1002).warnings == (f"left alone: the sftp {LOGIN} belongs to s1001",)
    assert unchanged(before, web.tree()) == []


def test_a_node_that_does_not_confine_gets_no_login(web: Web, customer: Customer) -> None:
    path = "/etc/ssh/sshd_config.d/00-by-hand.conf"
    web.run(f"printf 'Match Group tenantry-sftp\\n  ForceCommand none\\n  AllowTcpForwarding yes\\n' >{path}")
    try:
        refused = present(web, customer, name="w1001_new")
        assert (refused.outcome, refused.reason) == (Outcome.FAILED, "config_broken")
        assert "forcecommand" in refused.message
        assert "!" in web.run("getent shadow w1001_new").split(":")[1]
        assert "No such file" in web.run("ls /etc/tenantry/web/sftp/keys/w1001_new", check=False)
    finally:
        web.run(f"rm {path}")
        assert absent(web, name="w1001_new").outcome is Outcome.CHANGED


def test_preparing_puts_sshd_right_and_never_breaks_it(web: Web, customer: Customer) -> None:
    ours = "/etc/ssh/sshd_config.d/10-tenantry-sftp.conf"
    web.run(f"echo 'Match all' >>{ours}")
    repaired = web.steps.prepare(web.node)
    assert [one for one in told(repaired) if "ssh" in one] == [ours]
    broken = "/etc/ssh/sshd_config.d/99-by-hand.conf"
    web.run(f"echo 'Nonsense yes' >{broken}; echo >>{ours}")
    try:
        refused = web.steps.prepare(web.node)
        assert (refused.outcome, refused.reason) == (Outcome.FAILED, "config_broken")
    finally:
        web.run(f"rm {broken}")
    assert web.steps.prepare(web.node).outcome is Outcome.CHANGED
    assert customer.sftp("pwd")[0]


def test_nothing_a_tenant_plants_leads_root_elsewhere(web: Web, customer: Customer) -> None:
    """A link and a hard link where a session begins, and a process that swaps them without a pause."""
    web.run("mkdir -p -m 750 /root/sentinel/in; echo kept >/root/sentinel/in/file")
    looks = "find /root/sentinel /etc/passwd /home/w1002/www -printf '%p %U:%G %m %i %s\\n'"
    before = re.sub(r"(?m)^/etc/passwd .*\n", "", web.run(looks))
    loop = "import os, time\\nend = time.time() + 60\\nos.chdir('/home/w1001/tmp')\\n"
    loop += (
        "os.makedirs('up', exist_ok=True)\\nos.symlink('/root/sentinel', 'ln') if not os.path.lexists('ln') else 0\\n"
    )
    loop += "while time.time() < end: os.rename('up', 'x'); os.rename('ln', 'up'); os.rename('up', 'ln'); os.rename('x', 'up')"
    swapping = threading.Thread(target=web.as_user, args=(1001, f"timeout 60 python3 -c $'{loop}'"))
    swapping.start()
    web.as_user(1001, "ln -s /root/sentinel /home/w1001/www/up-sentinel")
    for folder in ("tmp/up", "www/up-sentinel", "www"):
        assert present(web, customer, folder=folder).outcome in GOOD
        assert web.step("user", 1001).outcome in GOOD
    web.run("pkill -u w1001 -f [l]exists", check=False)
    swapping.join()
    assert re.sub(r"(?m)^/etc/passwd .*\n", "", web.run(looks)) == before
    web.run("rm -rf /root/sentinel /home/w1001/tmp/* /home/w1001/www/up-sentinel")


def test_removal_ends_sessions_and_leaves_other_things_running(web: Web, customer: Customer) -> None:
    (customer.folder / "up-stays.php").write_text("<?php echo 'stays';")
    assert customer.sftp("put up-stays.php")[0]
    assert web.get("shop.test", "/up-stays.php") == (200, "stays")
    master = web.php_master(1001)
    with open_session(web, customer) as session:
        rehearsed = absent(web, check=True)
        assert told(rehearsed)[:1] == [USER] and sessions(web) == 1
        removed = absent(web)
        assert {USER, f"sessions of {LOGIN}", KEYS, ROOT} <= set(told(removed)), removed
        session.communicate(timeout=30)
    assert absent(web).outcome is Outcome.OK
    assert customer.sftp("pwd")[0] is False
    assert web.php_master(1001) == master
    assert web.get("shop.test", "/up-stays.php") == (200, "stays")
