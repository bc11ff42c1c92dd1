"""Why a server could not be reached, from what the ssh client said."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.execute.text import sentence


@dataclass(frozen=True)
class Cause:
    """A machine word and one sentence with a remedy; ``{name}`` and ``{address}`` stand for the server."""

    reason: str
    pattern: re.Pattern[str]
    advice: str


def _cause(reason: str, pattern: str, advice: str) -> Cause:
    return Cause(reason, re.compile(pattern, re.IGNORECASE), advice)


_NO_CONNECTION = "{name} ({address}) takes no SSH connection; check that sshd runs and which port it has"
# The first that matches counts: ssh may print several lines, the most telling one first here.
_CAUSES = (
    _cause(
        "host_key",
        r"host key verification failed|remote host identification has changed|no \S+ host key is known",
        "the SSH host key of {name} ({address}) is not the pinned one; check that it is the right machine, "
        "then pin its new key",
    ),
    _cause(
        "dns",
        r"could not resolve hostname|name or service not known|temporary failure in name resolution",
        "the name {address} of {name} does not resolve; correct the address or the DNS",
    ),
    _cause(
        "login",
        r"permission denied \(|too many authentication failures|no supported authentication methods"
        r"|unprotected private key|error in libcrypto",
        "{name} ({address}) refuses the orchestrator's SSH key; add its public key to the login's authorized_keys",
    ),
    # Before what broke: a client that finds the leftover of an earlier one complains of that first, and then cannot connect.
    _cause("tcp", r"connection refused|no route to host|network is unreachable|host is down", _NO_CONNECTION),
    _cause(
        "lost_connection",
        r"timeout, server \S+ not responding|connection to \S+ closed|connection reset|broken pipe|closed by remote host"
        r"|client_loop",
        "the connection to {name} ({address}) broke while the step was running; check the machine and its network",
    ),
    _cause(
        "timeout",
        r"timed out|timeout",
        "{name} ({address}) does not answer; check that it runs and that no firewall is in between",
    ),
    _cause("tcp", r"connection closed|kex_exchange", _NO_CONNECTION),
)


def explain(said: str, name: str, address: str) -> tuple[str, str]:
    """Return (reason, sentence) for what ssh printed."""
    for cause in _CAUSES:
        if cause.pattern.search(said):
            return cause.reason, cause.advice.format(name=name, address=address)
    return "unreachable", f"{name} ({address}) cannot be reached: {sentence(said, 300) or 'ssh gave no reason'}"
