"""What keeps a server from being used, found step by step and said with a remedy."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core import names
from orchestrator.core.records import Host
from orchestrator.core.states import Role
from orchestrator.execute import reachability, target
from orchestrator.execute.ssh_shell import Shell, opened, run
from orchestrator.execute.text import sentence

_KEY_TYPES = "ed25519,ecdsa,rsa"
_OLDEST_PYTHON = (3, 8)  # that ansible-core 2.19 can work with on a node
_PROGRAMS = "/usr/sbin/php-fpm[0-9]*"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check: whether it passed, its name and one sentence, with the remedy when it failed."""

    ok: bool
    check: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Software:
    """Something that server.prepare sets up: a unit that has to run, or without one a program that has to be there."""

    name: str
    unit: str = ""
    program: str = ""  # beginning of its path


_SOFTWARE: Mapping[str, tuple[Software, ...]] = {
    Role.WEB: (
        Software(name="nginx", unit="nginx.service"),
        Software(name="PHP-FPM", program="/usr/sbin/php-fpm"),
        Software(name="MariaDB", unit="mariadb.service"),
    ),
    Role.MAIL: (
        Software(name="Postfix", unit="postfix.service"),
        Software(name="Dovecot", unit="dovecot.service"),
        Software(name="rspamd", unit="rspamd.service"),
    ),
    Role.DNS: (Software(name="PowerDNS", unit="pdns.service"),),
}


def scan_host_keys(address: str, port: int, timeout: float) -> list[str]:
    """Return the host keys that answer at an address as "type base64", in order; none when nothing answers.

    ``timeout`` is in seconds. Raises Unavailable when this machine has no ssh-keyscan.
    """
    seconds = max(1, round(timeout))
    argv = ["ssh-keyscan", "-T", str(seconds), "-t", _KEY_TYPES, "-p", str(port), "--", names.address(address)]
    _, output, _ = run(argv, timeout * 2 + 5)
    lines = (line.split(" ", 1) for line in output.splitlines() if not line.startswith("#"))
    return sorted({line[1] for line in lines if len(line) == 2 and target.is_host_key(line[1])})


def probe(host: Host, private_key: Path, timeout: float) -> list[Finding]:
    """Check a server in the order in which things depend on each other, and return what was found.

    It ends with the first check that fails, since the later ones cannot pass then; missing software is listed whole.
    ``timeout`` is in seconds, for each check. Raises InvalidInput when the row is not plainly a server.
    """
    host = target.check(host)
    with opened(host, private_key, timeout) as shell:
        findings: list[Finding] = []
        for check in _checks(host, shell, timeout):
            findings.extend(check())
            if not all(finding.ok for finding in findings):
                break
    return findings


def _checks(host: Host, shell: Shell, timeout: float) -> Iterator[Callable[[], list[Finding]]]:
    yield lambda: [_dns(host, timeout)]
    yield lambda: [_tcp(host, timeout)]
    yield lambda: [_host_key(host, timeout)]
    yield lambda: [_login(host, shell)]
    yield lambda: [_privilege(host, shell)]
    yield lambda: [_python(host, shell)]
    yield lambda: _software(host, shell)


def _dns(host: Host, timeout: float) -> Finding:
    if _is_ip_address(host.address):
        return _passed("dns", f"{host.address} is an address, there is nothing to resolve")
    # A process of its own, because the library's call knows no time limit.
    code, output, _ = run(["getent", "ahosts", host.address], timeout)
    if code != 0 or not output:
        return _failed("dns", reachability.explain("could not resolve hostname", host.name, host.address)[1])
    found = sorted({line.split()[0] for line in output.splitlines()})
    return _passed("dns", f"{host.address} is {', '.join(found[:4])}")


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _tcp(host: Host, timeout: float) -> Finding:
    try:
        with socket.create_connection((host.address, host.port), timeout):
            return _passed("tcp", f"port {host.port} takes connections")
    except OSError as error:
        said = reachability.explain(str(error), host.name, host.address)[1]
        return _failed("tcp", f"port {host.port}: {said}")


def _host_key(host: Host, timeout: float) -> Finding:
    if not host.host_keys:
        return _failed("host key", f"no host key of {host.name} is pinned; add the server again with --host-key")
    offered = scan_host_keys(host.address, host.port, timeout)
    if not offered:
        return _failed("host key", f"no SSH server answers at port {host.port} of {host.name}; correct the port")
    if not set(offered) & set(host.host_keys):
        return _failed("host key", reachability.explain("host key verification failed", host.name, host.address)[1])
    return _passed("host key", "it is the pinned one")


def _login(host: Host, shell: Shell) -> Finding:
    if not os.access(shell.private_key, os.R_OK):
        remedy = "make it with ssh-keygen, or set TENANTRY_SSH_KEY"
        return _failed("login", f"the private key {shell.private_key} cannot be read; {remedy}")
    code, _, errors = shell.run("true")
    if code == 0:
        return _passed("login", f"{host.login} may log in")
    return _failed("login", reachability.explain(errors, host.name, host.address)[1])


def _privilege(host: Host, shell: Shell) -> Finding:
    code, _, errors = shell.run("sudo -n true")
    if code == 0:
        return _passed("privilege", f"{host.login} may use sudo without a password")
    remedy = f"allow it with “{host.login} ALL=(ALL) NOPASSWD:ALL” in /etc/sudoers.d"
    return _failed("privilege", f"{host.login} may not use sudo ({_reason(errors)}); {remedy}")


def _python(host: Host, shell: Shell) -> Finding:
    code, output, errors = shell.run(f"{target.INTERPRETER} -V")
    found = re.search(r"Python (\d+)\.(\d+)", output + errors)
    if code != 0 or not found:
        remedy = "install it with apt-get install python3"
        return _failed("python", f"{host.name} has no {target.INTERPRETER} ({_reason(errors)}); {remedy}")
    if (int(found[1]), int(found[2])) < _OLDEST_PYTHON:
        return _failed("python", f"{host.name} has {found[0]}, which is too old; use Debian 12")
    return _passed("python", found[0])


def _software(host: Host, shell: Shell) -> list[Finding]:
    wanted = [software for role in host.roles for software in _SOFTWARE[role]]
    units = shlex.join(software.unit for software in wanted if software.unit)
    show = f"systemctl show --property=Id,LoadState,ActiveState -- {units}; " if units else ""
    code, output, errors = shell.run(f"{show}ls -1d {_PROGRAMS} 2>/dev/null; true")
    if code != 0:
        return [_failed("software", f"{host.name} cannot be asked for its software: {_reason(errors)}")]
    return [_state_of(host, software, output) for software in wanted]


def _state_of(host: Host, software: Software, output: str) -> Finding:
    remedy = f"run `tenantry server prepare {host.name}`"
    if not software.unit:
        there = any(line.startswith(software.program) for line in output.splitlines())
        message = "is installed" if there else f"is not installed; {remedy}"
        return Finding(ok=there, check="software", message=f"{software.name} {message}")
    shown = next((part for part in output.split("\n\n") if f"Id={software.unit}" in part.splitlines()), "")
    if "LoadState=loaded" not in shown:
        return _failed("software", f"{software.name} is not installed; {remedy}")
    if "ActiveState=active" not in shown and "ActiveState=reloading" not in shown:
        return _failed("software", f"{software.name} is installed and does not run; {remedy}")
    return _passed("software", f"{software.name} runs")


def _reason(errors: str) -> str:
    return sentence(errors, 160) or "no reason given"


def _passed(check: str, message: str) -> Finding:
    return Finding(ok=True, check=check, message=message)


def _failed(check: str, message: str) -> Finding:
    return Finding(ok=False, check=check, message=message)
