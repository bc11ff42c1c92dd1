"""The server of a run: nothing that ssh could take for an option or ansible for a template gets into an inventory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Host
from orchestrator.execute import environment, target

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"
GOOD: dict[str, Any] = {"name": "web1", "address": "10.77.0.11", "roles": ("web",), "host_keys": (KEY,)}


def host(**changed: Any) -> Host:
    return Host(**{**GOOD, **changed})


BAD: dict[str, list[Any]] = {
    "address": [
        *("-oProxyCommand=touch x", "", "a b", "a;b", "a\nb", "{{ x }}", "a/b", "user@host"),
        *("fe80::1%{{ lookup('pipe', 'touch x') }}", "::1%eth0 "),
    ],
    "name": ["", "-x", "all", "localhost", "web", "a b", "a\nb", "{{ x }}", "a" * 64, "web1:22", "w[1:9]"],
    "login": ["", "-l", "Root", "a b", "{{ x }}", "a" * 33],
    "port": [0, -1, 65536, "22", 22.0, True],
    "roles": [("root",), ("web", "{{ x }}")],
    "host_keys": [
        *(("",), ("ssh-ed25519",), (f"{KEY} comment",), (f"web1 {KEY}",)),
        *((f"{KEY}\n* {KEY}",), ("ssh-dss " + "A" * 68,)),
    ],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in BAD for value in BAD[field]])
def test_what_is_not_plainly_a_server_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        target.check(host(**{field: value}))


def test_the_inventory_names_one_host_in_its_groups() -> None:
    found = json.loads(target.inventory(target.check(host(roles=("web", "mail", "web"))), [["/run/job.json"]]))
    assert set(found) == {"all", "web", "mail"}
    variables = found["all"]["hosts"]["web1"]
    assert (variables["ansible_host"], variables["ansible_connection"]) == ("10.77.0.11", "ssh")
    assert variables["job_file"] == "/run/job.json"


def test_a_host_with_several_jobs_is_in_the_inventory_once_for_each() -> None:
    found = json.loads(target.inventory(target.check(host(roles=("web",))), [["/a"], ["/b"]]))
    assert {name: one["job_file"] for name, one in found["all"]["hosts"].items()} == {"web1": "/a", "web1~2": "/b"}
    assert {one["ansible_host"] for one in found["all"]["hosts"].values()} == {"10.77.0.11"}
    assert set(found["web"]["hosts"]) == {"web1", "web1~2"}


def test_a_host_has_the_jobs_of_playbooks_that_follow_each_other() -> None:
    found = json.loads(target.inventory(target.check(host(roles=("web",))), [["/a", "/b"], ["/c", "/d"]]))
    variables = {name: one["job_files"] for name, one in found["all"]["hosts"].items()}
    assert variables == {"web1": ["/a", "/b"], "web1~2": ["/c", "/d"]}
    assert not any("job_file" in one for one in found["all"]["hosts"].values())


@pytest.mark.parametrize(
    ("address", "port", "name"),
    [
        ("10.0.0.1", 22, "10.0.0.1"),
        ("10.0.0.1", 2222, "[10.0.0.1]:2222"),
        ("fd00::1", 22, "fd00::1"),
        ("fd00::1", 23, "[fd00::1]:23"),
    ],
)
def test_host_keys_are_pinned_to_address_and_port(address: str, port: int, name: str) -> None:
    assert target.known_hosts(target.check(host(address=address, port=port))) == f"{name} {KEY}\n"


def test_no_option_of_ssh_is_left_to_the_users_settings(tmp_path: Any) -> None:
    words = environment.ssh_options(tmp_path / "known_hosts", 5)
    assert words[:2] == ["-F", "/dev/null"]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    assert given["StrictHostKeyChecking"] == "yes"
    assert (given["BatchMode"], given["ForwardAgent"], given["GlobalKnownHostsFile"]) == ("yes", "no", "/dev/null")
    command = environment.connect_ahead(tmp_path, host(), tmp_path / "key", 5)
    assert command[-2:] == ["--", "10.77.0.11"]


def test_nothing_of_the_orchestrators_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TENANTRY_DATABASE_URL", "mysql://canary")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/canary")
    built = environment.build(
        attempt=tmp_path, project_root=tmp_path, private_key=tmp_path / "key", connect_timeout=5, retries=1, token=1
    )
    assert "canary" not in json.dumps(built)
    assert built["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert built["HOME"].startswith(str(tmp_path))
