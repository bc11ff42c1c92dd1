"""The server of a run: a strict grammar first, then ansible's inventory and the pinned host keys.

Inventory values are templates to ansible and a host may be an option to ssh, so nothing gets there that could be either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Host
from orchestrator.core.states import Role

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST_KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{40,2000}={0,2}")
_GROUPS = frozenset(Role)
_TAKEN = _GROUPS | {"all", "ungrouped", "localhost"}  # words with a meaning of their own in an inventory
SSH, SSH_WITH_INTERPRETER = "ssh", "tenantry_ssh"  # connection plugins: ansible's own, and ours on top of it
INTERPRETER = "/usr/bin/python3"  # of Debian; naming it saves a round trip and leaves the node nothing to choose


def check(host: Host) -> Host:
    """Return the host in canonical form; InvalidInput for anything that is not plainly a server."""
    if not _NAME.fullmatch(str(host.name)) or host.name in _TAKEN:
        raise InvalidInput("server", f"the name {names.shown(host.name)} is not usable", "rename it")
    if not _LOGIN.fullmatch(str(host.login)):
        raise InvalidInput("login", f"{names.shown(host.login)} is not usable", "use a-z, 0-9, _ and -")
    if type(host.port) is not int or not 0 < host.port < 65536:
        raise InvalidInput("port", "is no TCP port", "use 1 to 65535")
    unknown = sorted(set(host.roles) - _GROUPS)
    if unknown:
        raise InvalidInput("roles", f"{names.shown(unknown[0])} is not known", f"use {', '.join(sorted(_GROUPS))}")
    for key in host.host_keys:
        if not is_host_key(key):
            raise InvalidInput("host_keys", f"{names.shown(key, 30)} is no host key", 'use "type base64"')
    return Host(
        name=host.name,
        address=names.address(host.address),
        port=host.port,
        login=host.login,
        roles=tuple(sorted(set(host.roles))),
        host_keys=tuple(host.host_keys),
    )


def is_host_key(value: object) -> bool:
    """True for "type base64" of a type that is pinned."""
    return _HOST_KEY.fullmatch(str(value)) is not None


def aliases(host: Host, count: int) -> list[str]:
    """Return the names under which a server stands in the inventory of a run for so many jobs: its own, and more."""
    return [host.name, *(f"{host.name}~{number}" for number in range(2, count + 1))]


def inventory(host: Host, job_files: Sequence[Sequence[str]], connection: str = SSH) -> str:
    """Return an inventory of one checked host in the groups of its roles, as JSON (which YAML reads).

    The host stands there once for each row of ``job_files``: ansible then carries out each of them, and one that fails keeps
    none of the others from their end. A row has a file for each playbook.
    """
    variables = {
        "ansible_connection": connection,
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.login,
        "ansible_python_interpreter": INTERPRETER,
    }
    names = aliases(host, len(job_files))
    hosts = {name: {**variables, **_jobs(files)} for name, files in zip(names, job_files, strict=True)}
    groups: dict[str, Any] = {"all": {"hosts": hosts}}
    groups |= {str(role): {"hosts": {name: {} for name in names}} for role in host.roles}
    return json.dumps(groups, indent=1)


def _jobs(files: Sequence[str]) -> dict[str, Any]:
    return {"job_file": files[0]} if len(files) == 1 else {"job_files": list(files)}


def known_hosts(host: Host) -> str:
    """Return the pinned keys of one checked host as ssh reads them."""
    name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    return "".join(f"{name} {key}\n" for key in host.host_keys)
