"""The inventory plugin over the servers table of both databases, through ansible-inventory as a person would use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.plugin_utils import servers_table

from orchestrator.core.states import ServerStatus
from orchestrator.models.fleet import Server
from orchestrator.store import fleet
from tests.support.fleet import HOST_KEY, SERVERS, add_server, build

PROJECT = Path(__file__).resolve().parents[2]
INVENTORY = "inventory/tenantry.yml"
UNSAFE = "__ansible_unsafe"
HERE = "vars: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"


def inventory(
    url: str, folder: Path, *arguments: str, check: bool = True, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run ansible-inventory in the repository with a clean environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANSIBLE_HOME": str(folder / "ansible"), **more}
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", INVENTORY, *arguments]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**environment, "TENANTRY_DATABASE_URL": url, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def listed(url: str, folder: Path, **more: str) -> dict[str, Any]:
    return dict(json.loads(inventory(url, folder, "--list", **more).stdout))


def rows() -> list[tuple[Any, ...]]:
    return list(Server.select().order_by(Server.id).tuples())


def test_every_server_has_its_groups_and_its_pinned_key(db: str, tmp_path: Path) -> None:
    build()
    add_server("all3", "2001:db8::7", "dns,mail,web", port=2222, login="ops")
    fleet.set_server_status("dns2", ServerStatus.DRAINING)
    fleet.set_server_status("mail1", ServerStatus.GONE)
    before = rows()
    found = listed(db, tmp_path, TENANTRY_SSH_KEY="/keys/id with space")
    hosts = found["_meta"]["hostvars"]
    assert set(hosts) == {*SERVERS, "all3"} - {"mail1"}
    assert found["web"]["hosts"] == ["all3", "web1"]
    assert found["dns"]["hosts"] == ["all3", "dns1", "dns2"]
    assert found["group_standard"]["hosts"] == ["all3", "dns1", "dns2", "web1"]
    assert found["status_draining"]["hosts"] == ["dns2"]
    one = hosts["all3"]
    # Ansible says so itself: this is text, and no template.
    assert (one["ansible_host"], one["ansible_user"]) == ({UNSAFE: "2001:db8::7"}, {UNSAFE: "ops"})
    assert one["ansible_ssh_private_key_file"] == {UNSAFE: "/keys/id with space"}
    assert one["ansible_port"] == 2222
    assert one["ansible_ssh_host_key_checking"] is True
    assert "StrictHostKeyChecking=yes" in one["ansible_ssh_common_args"][UNSAFE]
    assert rows() == before


def test_a_server_is_known_by_the_pinned_key_only(db: str, tmp_path: Path) -> None:
    """What ssh would read, shown by ssh itself."""
    build()
    add_server("odd", "192.0.2.9", "web", port=2222)
    script = tmp_path / "show.yml"
    script.write_text(
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: ssh -G {{{{ ansible_ssh_common_args }}}} {{{{ inventory_hostname }}}}
      {HERE}
      register: shown
    - ansible.builtin.copy:
        src: "{{{{ shown.stdout_lines | select('match', 'userknownhostsfile') | first | split | last }}}}"
        dest: "{tmp_path}/{{{{ inventory_hostname }}}}"
        mode: "0600"
      {HERE}
"""
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / "ansible")}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", INVENTORY, "--limit", "web1", str(script)]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**environment, "TENANTRY_DATABASE_URL": db, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "web1").read_text().splitlines()
    assert f"10.77.0.11 {HOST_KEY}" in lines
    assert f"[192.0.2.9]:2222 {HOST_KEY}" in lines
    assert len(lines) == len(SERVERS) + 1
    assert list((tmp_path / "ansible" / "tmp").glob("**/known_hosts-*")) == []


BAD = (
    {"address": "-oProxyCommand=touch /tmp/inventory-canary"},
    {"address": "{{ lookup('pipe', 'touch /tmp/inventory-canary') }}"},
    {"address": "two words.example"},
    {"name": "{{ lookup('pipe', 'id') }}"},
    {"name": "localhost"},
    {"login": "-l"},
    {"login": "root; id"},
    {"port": 0},
    {"roles": "web,all"},
    {"host_keys": "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB"},
    {"host_keys": f"@cert-authority * {HOST_KEY}"},
)


def test_a_row_that_is_no_server_is_left_out_with_a_warning(db: str, tmp_path: Path) -> None:
    build({"web1": ("10.77.0.11", "web")})
    for number, values in enumerate(BAD):
        good = {"address": f"192.0.2.{number}", "roles": "web", "host_keys": HOST_KEY}
        add_server(f"bad{number}", **{name: str(good[name]) for name in ("address", "roles")})
        Server.update(**values).where(Server.name == f"bad{number}").execute()
    done = inventory(db, tmp_path, "--list")
    assert set(json.loads(done.stdout)["_meta"]["hostvars"]) == {"web1"}
    assert " ".join(done.stderr.split()).count("this server is left out") == len(BAD)
    assert not Path("/tmp/inventory-canary").exists()


def test_the_plugin_has_no_right_to_write(db: str) -> None:
    build({"web1": ("10.77.0.11", "web")})
    with pytest.raises(servers_table.Unreadable), servers_table._opened(db) as query:
        query("DELETE FROM servers")
    assert Server.select().count() == 1


def test_a_database_that_cannot_be_read_is_explained_without_its_password(tmp_path: Path) -> None:
    missing = inventory(f"sqlite:///{tmp_path}/none.db", tmp_path, "--list", check=False)
    assert missing.returncode != 0 and "tenantry init" in " ".join(missing.stderr.split())
    empty = tmp_path / "empty.db"
    empty.touch()
    assert "tenantry init" in " ".join(inventory(f"sqlite:///{empty}", tmp_path, "--list", check=False).stderr.split())
    away = inventory("mysql://billing:hunter2secret@127.0.0.1:9/tenantry", tmp_path, "--list", check=False)
    said = away.stdout + away.stderr
    assert away.returncode != 0 and "hunter2secret" not in said and "error 2003" in " ".join(said.split())
    odd = inventory("postgres://x/y", tmp_path, "--list", check=False)
    assert "unknown scheme" in " ".join(odd.stderr.split())
