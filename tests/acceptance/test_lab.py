"""The lab itself, on real nodes.

These tests make a lab of their own, with its own bridge, subnet and state: one that is up already is not touched.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import access, addresses, check, config, faults, network, nodes, resolver, snapshot, watches, zones
from lab.config import Lab
from lab.errors import LabError, MissingError
from tests.conftest import require

pytestmark = pytest.mark.lab

NODES = ("web8", "mail8", "dns1")
LIMITED = "db8"
LIMIT = 15.0
WRONG_ANCHOR = f"shop.test. IN DS 1 13 2 {'a' * 64}"
POWERDNS = r"""
set -e
database=/var/lib/powerdns/pdns.sqlite3
printf '%s\n' launch=gsqlite3 gsqlite3-database=$database gsqlite3-dnssec=yes >/etc/powerdns/pdns.conf
rm -f /etc/powerdns/pdns.d/*
sqlite3 $database </usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql
chown pdns: $database
pdnsutil create-zone shop.test ns1.lab.test
pdnsutil add-record shop.test @ A 60 192.0.2.11
pdnsutil secure-zone shop.test
systemctl start pdns
"""


def own_lab(name: str, number: int) -> Lab:
    return dataclasses.replace(
        config.load(),
        state=Path(f"/var/lib/tenantry-{name}"),
        bridge=f"tenantry-{name}"[:11],
        subnet=ipaddress.IPv4Network(f"10.{number}.0.0/24"),
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Yield a lab of three nodes."""
    lab = own_lab("a", 82)
    require("; ".join(f"{finding.what}: {finding.remedy}" for finding in check.missing(lab)))
    try:
        nodes.up(lab, NODES)
        nodes.up(lab, [LIMITED], disk_mib=64)
        yield lab
    finally:
        nodes.down(lab)


def out(lab: Lab, name: str, *argv: str) -> str:
    return access.on(lab, name, *argv).stdout.strip()


def dig(lab: Lab, *query: str) -> str:
    argv = ["dig", f"@{lab.gateway}", "+tries=1", "+time=10", *query]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s"
        time.sleep(0.2)


def reachable(lab: Lab, name: str) -> bool:
    access.leave(lab, name)
    try:
        return access.on(lab, name, "true", timeout=20).returncode == 0
    except MissingError:
        return False


def test_up_again_starts_nothing(lab: Lab) -> None:
    assert nodes.up(lab, NODES) == []


def test_a_node_is_a_plain_debian_with_nothing_but_ssh_started(lab: Lab) -> None:
    assert out(lab, "web8", "systemctl", "is-system-running") == "running"
    assert out(lab, "web8", "ps", "-p", "1", "-o", "comm=") == "systemd"
    enabled = out(lab, "web8", "systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--plain")
    assert [line.split()[0] for line in enabled.splitlines()] == ["ssh.service"]
    assert out(lab, "web8", "dpkg", "-l", "nginx-light", "postfix", "pdns-server").count("\nii ") == 3


def test_the_login_user_is_unprivileged_and_root_cannot_log_in(lab: Lab) -> None:
    assert access.on(lab, "web8", "id", "-un", root=False).stdout.strip() == "deploy"
    assert out(lab, "web8", "id", "-un") == "root"
    command = ["ssh", "-F", str(lab.ssh_config), "-l", "root", "web8", "true"]
    assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 255
    assert lab.key.stat().st_mode & 0o777 == 0o600


def test_every_node_has_an_identity_of_its_own(lab: Lab) -> None:
    keys = [line.split()[2] for line in lab.known_hosts.read_text().splitlines()]
    assert len(set(keys)) == len(keys) == len(NODES) + 1
    assert len({out(lab, name, "cat", "/etc/machine-id") for name in NODES}) == len(NODES)


def test_another_host_key_is_refused(lab: Lab) -> None:
    pinned = lab.known_hosts.read_text()
    mail_key = next(line.split()[2] for line in pinned.splitlines() if line.startswith("mail8,"))
    web = addresses.of(lab, "web8")
    lab.known_hosts.write_text(f"web8,{web.fqdn},{web.ipv4} ssh-ed25519 {mail_key}\n")
    try:
        assert not reachable(lab, "web8")
    finally:
        lab.known_hosts.write_text(pinned)
    assert reachable(lab, "web8")


def test_there_is_room_for_what_many_nodes_watch(lab: Lab) -> None:
    assert int(watches.LIMIT.read_text()) >= watches.WANTED


def test_the_same_unit_on_two_nodes_is_two_units(lab: Lab) -> None:
    for name in ("web8", "mail8"):
        access.on(lab, name, "systemctl", "start", "nginx")
    access.on(lab, "web8", "systemctl", "restart", "nginx")
    access.on(lab, "web8", "systemctl", "stop", "nginx")
    assert out(lab, "mail8", "systemctl", "is-active", "nginx") == "active"
    access.on(lab, "mail8", "systemctl", "stop", "nginx")


def test_names_of_nodes_are_known_and_nothing_leaves_the_lab(lab: Lab) -> None:
    assert out(lab, "web8", "dig", "+short", "mail8.lab.test") == addresses.of(lab, "mail8").ipv4
    assert out(lab, "web8", "dig", "+short", "-x", addresses.of(lab, "mail8").ipv4) == "mail8.lab.test."
    assert "status: NXDOMAIN" in dig(lab, "www.debian.org")
    with pytest.raises(LabError, match=r"Network is unreachable|No route to host"):
        access.on(lab, "web8", "bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80")


def test_zones_are_asked_of_the_dns_nodes_and_signatures_are_checked(lab: Lab) -> None:
    access.on(lab, "dns1", "sh", "-s", stdin=POWERDNS)
    eventually(lambda: "192.0.2.11" in dig(lab, "shop.test"))
    anchor = next(
        line for line in out(lab, "dns1", "pdnsutil", "show-zone", "shop.test").splitlines() if "SHA256 d" in line
    )
    good = anchor.removeprefix("DS = ").partition(";")[0].strip()
    resolver.add_stub(lab, zones.stub("shop.test", [addresses.of(lab, "dns1").ipv4], good))
    eventually(lambda: " ad;" in dig(lab, "shop.test", "+dnssec"))
    resolver.add_stub(lab, zones.stub("shop.test", [addresses.of(lab, "dns1").ipv4], WRONG_ANCHOR))
    eventually(lambda: "status: SERVFAIL" in dig(lab, "shop.test"))
    assert "192.0.2.11" in dig(lab, "shop.test", "+cd")
    resolver.remove_stub(lab, "shop.test")
    eventually(lambda: "192.0.2.11" in dig(lab, "shop.test"))


def test_a_pulled_cable_makes_one_node_unreachable(lab: Lab) -> None:
    faults.link_down(lab, "web8")
    assert not reachable(lab, "web8")
    assert reachable(lab, "mail8")
    assert nodes.running(lab, "web8")
    faults.link_up(lab, "web8")
    eventually(lambda: reachable(lab, "web8"))


def test_a_power_cut_keeps_the_disk(lab: Lab) -> None:
    access.on(lab, "web8", "sh", "-c", "echo kept >/root/kept; sync")
    faults.power_cut(lab, "web8")
    assert not nodes.running(lab, "web8")
    faults.boot(lab, "web8")
    assert out(lab, "web8", "cat", "/root/kept") == "kept"
    assert out(lab, "web8", "systemctl", "is-system-running") == "running"


def test_a_node_can_be_shut_down_in_order(lab: Lab) -> None:
    nodes.shut_down(lab, "mail8")
    assert not nodes.running(lab, "mail8")
    assert nodes.up(lab, ["mail8"]) == ["mail8"]


def test_a_slow_cable_delays_and_every_byte_arrives(lab: Lab) -> None:
    faults.slow(lab, "mail8", delay_ms=100, loss_percent=2)
    started = time.monotonic()
    size = access.on(lab, "mail8", "wc", "-c", stdin="x" * 300_000, timeout=60).stdout.strip()
    assert size == "300000"
    assert time.monotonic() - started > 0.5
    assert nodes.status(lab)[[row.name for row in nodes.status(lab)].index("mail8")].slow
    faults.unslow(lab, "mail8")
    started = time.monotonic()
    assert reachable(lab, "mail8")
    assert time.monotonic() - started < 1.0


def test_a_full_disk_is_full_for_one_node_only(lab: Lab) -> None:
    faults.fill_disk(lab, LIMITED)
    with pytest.raises(LabError, match="No space left"):
        access.on(lab, LIMITED, "dd", "if=/dev/zero", "of=/root/file", "bs=100k", "count=1")
    access.on(lab, "web8", "dd", "if=/dev/zero", "of=/root/file", "bs=100k", "count=1")
    faults.free_disk(lab, LIMITED)
    access.on(lab, LIMITED, "dd", "if=/dev/zero", "of=/root/file", "bs=100k", "count=1")


def test_a_disk_without_a_limit_is_not_filled(lab: Lab) -> None:
    with pytest.raises(LabError, match="--disk-mib"):
        faults.fill_disk(lab, "web8")


def test_a_snapshot_shows_exactly_what_changed(lab: Lab) -> None:
    access.on(lab, "web8", "systemctl", "start", "mariadb")
    before = snapshot.tree(lab, "web8")
    assert snapshot.diff(before, snapshot.tree(lab, "web8")) == []
    script = """
        useradd --no-create-home --uid 20001 tenant && chmod 600 /etc/hosts && echo x >/srv/new
        mariadb -e "CREATE DATABASE tenant_db; CREATE USER tenant@localhost"
        mariadb -e "GRANT SELECT ON tenant_db.* TO tenant@localhost"
    """
    access.on(lab, "web8", "sh", "-e", "-s", stdin=script)
    changes = [line.partition(":")[0] if line.startswith("~") else line for line in diff_now(lab, before)]
    assert changes == [
        "~ /etc/hosts",
        "~ /etc/subgid",
        "~ /etc/subuid",
        "+ /srv/new",
        "+ group:tenant",
        "+ mariadb:database:tenant_db",
        "+ mariadb:grant:tenant@localhost tenant_db",
        "+ mariadb:user:tenant@localhost",
        "+ passwd:tenant",
        "+ shadow:tenant",
    ]


def diff_now(lab: Lab, before: snapshot.Tree) -> list[str]:
    return snapshot.diff(before, snapshot.tree(lab, "web8"))


def test_a_reset_node_is_factory_new_with_the_same_address(lab: Lab) -> None:
    key = access.HOST_KEY.with_suffix(".pub")
    before = out(lab, "mail8", "cat", f"/{key}")
    access.on(lab, "mail8", "touch", "/srv/old")
    nodes.reset(lab, "mail8")
    assert access.on(lab, "mail8", "test", "-e", "/srv/old", check=False).returncode == 1
    assert out(lab, "mail8", "cat", f"/{key}") != before


def test_up_repairs_what_was_half_gone(lab: Lab) -> None:
    network.unplug(addresses.of(lab, "mail8"))
    assert nodes.up(lab, ["mail8"]) == ["mail8"]
    assert reachable(lab, "mail8")


def test_down_of_one_node_leaves_the_others(lab: Lab) -> None:
    assert nodes.down(lab, [LIMITED]) == [LIMITED]
    assert nodes.known(lab) == sorted(NODES)
    assert reachable(lab, "web8")
    assert LIMITED not in lab.known_hosts.read_text()


def test_down_leaves_no_trace() -> None:
    other = own_lab("b", 83)
    require("; ".join(f"{finding.what}: {finding.remedy}" for finding in check.missing(other)))
    try:
        nodes.up(other, ["web8", "mail8"])
        faults.slow(other, "mail8", delay_ms=10)
        faults.power_cut(other, "web8")
    finally:
        nodes.down(other)
    assert nodes.down(other) == []
    assert traces(other) == []


def traces(lab: Lab) -> list[str]:
    """Return everything on the machine that still carries the lab's name."""
    words = (lab.bridge, lab.state.name, lab.interface_prefix)
    commands = (["ip", "link"], ["ip", "netns"], ["ip", "rule"], ["ip", "-6", "rule"], ["losetup", "-a"])
    texts = [subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout for argv in commands]
    texts.append(Path("/proc/mounts").read_text())
    texts += [path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")]
    found = [line for text in texts for line in text.splitlines() if any(word in line for word in words)]
    found += [str(path) for path in Path("/sys/fs/cgroup").rglob(lab.bridge)]
    return found + ([str(lab.state)] if lab.state.exists() else [])
