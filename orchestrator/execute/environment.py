"""The whole environment of a run: nothing of the orchestrator's own reaches ansible or a playbook."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.records import Host
from orchestrator.execute.processes import MARK

_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def ssh_options(known_hosts: Path, connect_timeout: int) -> list[str]:
    """Return the options of every SSH connection: pinned keys, one key, no prompt, no forwarding, no user's settings."""
    options = {
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "ConnectTimeout": str(connect_timeout),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
    }
    return ["-F", "/dev/null", *_words(options)]


def shared_connection() -> list[str]:
    """Return the options by which the tasks of one attempt use one connection.

    The path is relative to the attempt's private directory, in which ansible runs: a UNIX socket's path has room for 107
    bytes only, and no other attempt can meet it. The connection is a process of the attempt and ends with it.
    """
    return _words({"ControlMaster": "auto", "ControlPath": "./ssh", "ControlPersist": "yes"})


def connect_ahead(attempt: Path, host: Host, private_key: Path, connect_timeout: int) -> list[str]:
    """Return the command that makes the shared connection while ansible still starts; without it the first task does."""
    options = [*ssh_options(attempt / "known_hosts", connect_timeout), *shared_connection()]
    return ["ssh", "-N", *options, "-i", str(private_key), "-l", host.login, "-p", str(host.port), "--", host.address]


def keep_open(directory: Path, host: Host, private_key: Path, connect_timeout: int, command: str = "") -> list[str]:
    """Return the command that makes a connection for others to share, or runs ``command`` on the server over it.

    It ends with the thread that has started it.
    """
    options = [
        *ssh_options(directory / "known_hosts", connect_timeout),
        *_words({"ControlMaster": "no" if command else "yes", "ControlPath": "./ssh"}),
    ]
    destination = ["-i", str(private_key), "-l", host.login, "-p", str(host.port), "--", host.address]
    return [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "--",
        "ssh",
        *([] if command else ["-N"]),
        *options,
        *destination,
        *_command(command),
    ]


def _command(command: str) -> list[str]:
    return [command] if command else []


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def build(
    *, attempt: Path, project_root: Path, private_key: Path, connect_timeout: int, retries: int, token: int
) -> dict[str, str]:
    """Return the environment of the attempt in the directory ``attempt``."""
    system = {
        "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
        "HOME": str(attempt / "home"),
        "TMPDIR": str(attempt / "tmp"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONDONTWRITEBYTECODE": "1",
        MARK: attempt.name,
        "JOB_ID": str(token),  # ansible-runner writes it into every genuine event
        "MAX_EVENT_RES": "4000000",
    }
    return system | _ansible(attempt, project_root) | _connection(attempt, private_key, connect_timeout, retries)


def _ansible(attempt: Path, project_root: Path) -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(attempt / "ansible.cfg"),
        "ANSIBLE_HOME": str(attempt / "home"),
        "ANSIBLE_LOCAL_TEMP": str(attempt / "tmp"),
        "ANSIBLE_ROLES_PATH": str(project_root / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": str(project_root / "collections"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
        "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).parent / "connections"),
        "ANSIBLE_STDOUT_CALLBACK": "tenantry_silent",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_VARS_ENABLED": "host_group_vars",
        "ANSIBLE_INJECT_FACT_VARS": "False",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_CACHE_PLUGIN": "memory",
        "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "False",
        "ANSIBLE_DIFF_ALWAYS": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_SYSTEM_WARNINGS": "False",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_FORKS": "1",
    }


def _connection(attempt: Path, private_key: Path, connect_timeout: int, retries: int) -> dict[str, str]:
    return {
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_PRIVATE_KEY_FILE": str(private_key),
        "ANSIBLE_SSH_ARGS": " ".join([*ssh_options(attempt / "known_hosts", connect_timeout), *shared_connection()]),
        "ANSIBLE_SSH_RETRIES": str(retries),
        "ANSIBLE_TIMEOUT": str(connect_timeout),
        "ANSIBLE_BECOME_METHOD": "sudo",
    }
