"""Runs one playbook on one node of the lab, through the executor that the orchestrator uses."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import addresses, config
from lab.config import Lab
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import Host, RunRequest, RunResult
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import WARM, ExecutorSettings

_TOKENS = itertools.count(1)


def host(lab: Lab, node: str, roles: tuple[str, ...] = ()) -> Host:
    """Return a node as a run needs it; its roles follow from its name unless they are given."""
    address = addresses.of(lab, node)
    lines = (line.split(" ", 1) for line in lab.known_hosts.read_text().splitlines())
    keys = tuple(key for names, key in lines if address.ipv4 in names.split(","))
    return Host(
        name=node,
        address=address.ipv4,
        login=config.LOGIN,
        roles=roles or (node.rstrip("0123456789"),),
        host_keys=keys,
    )


class Steps:
    """Playbooks on the nodes of a lab."""

    def __init__(self, lab: Lab, run_root: Path, mode: str = WARM) -> None:
        self.lab = lab
        self.executor = AnsibleExecutor(
            ExecutorSettings(project_root=PROJECT_ROOT, run_root=run_root, private_key=lab.key, mode=mode)
        )

    def prepare(self, node: str, roles: tuple[str, ...] = (), *, check: bool = False) -> RunResult:
        """Run server.prepare."""
        address = addresses.of(self.lab, node)
        target = host(self.lab, node, roles)
        params = {
            "roles": list(target.roles),
            "hostname": address.fqdn,
            "addresses": [address.ipv4, address.ipv6],
        }
        return self.run(node, "server.prepare", params, roles=roles, check=check, timeout=900)

    def run(
        self,
        node: str,
        action: str,
        params: Mapping[str, Any],
        *,
        service: int | None = None,
        generation: int = 1,
        token: int | None = None,
        roles: tuple[str, ...] = (),
        check: bool = False,
        timeout: int = 120,
        reload_seconds: int | None = None,
    ) -> RunResult:
        """Run one step; with a ``service`` the job carries an owner and a fence, as the orchestrator's jobs do."""
        job: dict[str, Any] = {"action": action, "params": dict(params)}
        if service is not None:
            number = next(_TOKENS) if token is None else token
            key = f"{action}@{node}"
            job["service"] = {"id": service, "owner": f"s{service}"}
            job["fence"] = {"service": service, "generation": generation, "key": key, "token": number}
        if reload_seconds is not None:
            job["reload_seconds"] = reload_seconds
        request = RunRequest(
            action=action, host=host(self.lab, node, roles), job=job, timeout_seconds=timeout, check=check
        )
        return self.executor.run(request, lambda: False)
