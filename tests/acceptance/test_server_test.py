"""`tenantry server test` names what is wrong with a server, on real nodes that have it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.installation import PROJECT, Installation
from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Host
from orchestrator.execute import ssh_probe
from orchestrator.execute.ssh_probe import Finding
from tests.support import steps as support
from tests.support.fleet import HOST_KEY
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

NODE = "dns18"
CHAIN = ["dns", "tcp", "host key", "login", "privilege", "python"]
SECONDS = 5.0
STRANGER = """
    useradd --create-home stranger
    install -d -m 700 -o stranger -g stranger /home/stranger/.ssh
    install -m 600 -o stranger -g stranger /home/deploy/.ssh/authorized_keys /home/stranger/.ssh/authorized_keys
"""


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Lab]:
    """Yield a lab with one factory-new DNS node."""
    nodes.up(lab, [NODE])
    yield lab
    nodes.down(lab, [NODE])


@pytest.fixture
def host(server: Lab) -> Host:
    """Return the node as the servers table has it."""
    return support.host(server, NODE)


def probe(lab: Lab, host: Host, key: Path | None = None) -> list[Finding]:
    return ssh_probe.probe(host, key or lab.key, SECONDS)


def failed_at(findings: list[Finding], check: str) -> str:
    """Return the message of the only failure, which ended the chain."""
    assert [finding.check for finding in findings] == CHAIN[: CHAIN.index(check) + 1]
    assert [finding.ok for finding in findings] == [True] * CHAIN.index(check) + [False]
    return findings[-1].message


def root(lab: Lab, script: str) -> None:
    access.on(lab, NODE, "bash", "-ec", script)


def test_host_keys_are_read_and_are_the_nodes_own(server: Lab, host: Host) -> None:
    found = ssh_probe.scan_host_keys(host.address, 22, SECONDS)
    assert set(host.host_keys) <= set(found)
    assert ssh_probe.scan_host_keys(host.address, 9, SECONDS) == []


def test_an_unknown_name(server: Lab, host: Host) -> None:
    message = failed_at(probe(server, dataclasses.replace(host, address="no-such-host.example")), "dns")
    assert "does not resolve" in message and "no-such-host.example" in message


def test_a_closed_port(server: Lab, host: Host) -> None:
    message = failed_at(probe(server, dataclasses.replace(host, port=9)), "tcp")
    assert "port 9" in message and "sshd" in message


def test_a_machine_that_is_away(server: Lab, host: Host) -> None:
    away = dataclasses.replace(host, address=addresses.of(server, "web19").ipv4)
    assert NODE in failed_at(ssh_probe.probe(away, server.key, 1.0), "tcp")


def test_a_port_of_something_else(server: Lab, host: Host) -> None:
    root(server, "systemd-run --quiet --unit=other python3 -m http.server 8099")
    access.on(server, NODE, "bash", "-c", "until curl -s localhost:8099 >/dev/null; do sleep 0.05; done", timeout=20)
    message = failed_at(ssh_probe.probe(dataclasses.replace(host, port=8099), server.key, 1.0), "host key")
    assert "no SSH server" in message
    root(server, "systemctl stop other")


def test_a_host_key_that_is_another(server: Lab, host: Host) -> None:
    message = failed_at(probe(server, dataclasses.replace(host, host_keys=(HOST_KEY,))), "host key")
    assert "not the pinned one" in message
    assert "pinned" in failed_at(probe(server, dataclasses.replace(host, host_keys=())), "host key")


def test_a_key_that_may_not_log_in(server: Lab, host: Host, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    assert "authorized_keys" in failed_at(probe(server, host, other), "login")
    assert "cannot be read" in failed_at(probe(server, host, tmp_path / "none"), "login")


def test_a_login_without_sudo(server: Lab, host: Host) -> None:
    root(server, STRANGER)
    message = failed_at(probe(server, dataclasses.replace(host, login="stranger")), "privilege")
    assert "stranger ALL=(ALL) NOPASSWD:ALL" in message


def test_no_python(server: Lab, host: Host) -> None:
    root(server, "mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        message = failed_at(probe(server, host), "python")
    finally:
        root(server, "mv /usr/bin/python3.away /usr/bin/python3")
    assert "apt-get install python3" in message


def test_missing_software_is_listed_whole(server: Lab, host: Host) -> None:
    root(server, "systemctl mask --quiet --runtime dovecot")
    findings = probe(server, dataclasses.replace(host, roles=("dns", "mail", "web")))
    root(server, "systemctl unmask --quiet --runtime dovecot")
    assert [finding.check for finding in findings[:6]] == CHAIN
    assert all(finding.ok for finding in findings[:6])
    said = [finding.message for finding in findings[6:]]
    assert len(said) == 7
    assert f"PowerDNS is installed and does not run; run `tenantry server prepare {NODE}`" in said
    assert f"Dovecot is not installed; run `tenantry server prepare {NODE}`" in said
    assert [finding.message for finding in findings[6:] if finding.ok] == ["PHP-FPM is installed"]


def test_a_row_that_is_no_server(server: Lab, host: Host) -> None:
    for bad in ({"address": "-oProxyCommand=touch"}, {"login": "-l"}, {"name": "{{ x }}"}):
        with pytest.raises(InvalidInput):
            probe(server, dataclasses.replace(host, **bad))


def ping(site: Installation, folder: Path) -> subprocess.CompletedProcess[str]:
    """Reach the node by hand, through the servers table."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible"), "-i", "inventory/tenantry.yml", NODE, "-m", "ansible.builtin.ping"],
        cwd=PROJECT,
        env={**site.environment, "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_adds_tests_and_finds_a_prepared_server_ready(
    server: Lab, steps: Steps, tmp_path: Path
) -> None:
    site = Installation(tmp_path / "site", server)
    site.tenantry("init")
    address = addresses.of(server, NODE).ipv4
    site.tenantry("server", "add", NODE, "--address", address, "--roles", "dns")
    shown = json.loads(site.tenantry("server", "show", NODE, "--json").stdout)
    assert set(support.host(server, NODE).host_keys) <= set(shown["host_keys"])
    before = site.tenantry("server", "test", NODE, check=False)
    assert before.returncode == 3
    assert f"tenantry server prepare {NODE}" in " ".join(before.stdout.split())
    assert steps.prepare(NODE).outcome.is_success
    after = site.tenantry("server", "test", NODE)
    assert "FAIL" not in after.stdout and "PowerDNS runs" in after.stdout
    assert ping(site, tmp_path).returncode == 0
    execute = f"UPDATE servers SET host_keys = '{HOST_KEY}'"
    subprocess.run(["sqlite3", str(site.folder / "tenantry.db"), execute], check=True)
    assert "Host key verification failed" in ping(site, tmp_path).stdout
    nobody = site.tenantry("server", "add", "dns17", "--address", "no-such-host.example", "--roles", "dns", check=False)
    assert (nobody.returncode, "Traceback" in nobody.stderr) == (3, False)
