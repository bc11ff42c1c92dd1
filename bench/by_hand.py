"""The baseline: the same playbooks with ansible-playbook, as an engineer runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from demo.installation import PROJECT, Installation
from orchestrator.core.records import Host, RunRequest

_TIMEOUT = 300


def run(site: Installation, requests: Iterable[RunRequest]) -> float:
    """Run the playbooks one after another and return the seconds they took."""
    requests = list(requests)
    inventory = site.folder / "by-hand.yml"
    inventory.write_text(json.dumps(_inventory(site, {request.host.name: request.host for request in requests})))
    files = [site.folder / f"job-{number}.json" for number in range(len(requests))]
    for file, request in zip(files, requests, strict=True):
        file.write_text(json.dumps(dict(request.job)))
    began = time.monotonic()
    for file, request in zip(files, requests, strict=True):
        _one(site, inventory, file, request)
    return time.monotonic() - began


def _one(site: Installation, inventory: Path, job: Path, request: RunRequest) -> None:
    command = [
        *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)),
        *(f"playbooks/{request.action.replace('.', '/')}.yml", "--limit", request.host.name),
        *("-e", f"job_file={job}"),
    ]
    environment = {**site.environment, "ANSIBLE_HOME": str(site.folder / "ansible"), "HOME": str(site.folder)}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{request.action}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _inventory(site: Installation, hosts: Mapping[str, Host]) -> dict[str, Any]:
    options = f"-o UserKnownHostsFile={site.lab.known_hosts} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    groups: dict[str, Any] = {}
    for host in hosts.values():
        variables = {
            "ansible_host": host.address,
            "ansible_user": host.login,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(site.lab.key),
            "ansible_ssh_common_args": options,
        }
        for role in host.roles:
            groups.setdefault(role, {"hosts": {}})["hosts"][host.name] = variables
    return groups
