"""What a server's guard has seen: the highest tokens and generations, and the highest UNIX user id of an account."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InvalidInput, Unavailable
from orchestrator.core.records import Host
from orchestrator.execute import ssh_shell, target
from orchestrator.execute.text import sentence
from orchestrator.plan.fences import Seen

_MAXIMUM = 2**63 - 1
_SERVICES = 1_000_000
# Accounts of ours begin at 20001; Debian keeps 60000 to 65535 for itself.
_SCRIPT = """
import glob, json, pwd
seen = {}
for path in glob.glob("/var/lib/tenantry/guard/*.json"):
    with open(path) as handle:
        state = json.load(handle)
    seen[path.rsplit("/", 1)[1][:-5]] = [state["generation"], max(state["tokens"].values(), default=0)]
ours = [one.pw_uid for one in pwd.getpwall() if 20000 < one.pw_uid < 60000 or 65536 <= one.pw_uid < 2**31]
print(json.dumps({"services": seen, "uid": max(ours, default=0)}))
"""


def look(host: Host, private_key: Path, timeout: float) -> Seen:
    """Ask a server; Unavailable when it cannot be asked, InvalidInput when its answer is none. ``timeout`` is in seconds."""
    with ssh_shell.opened(target.check(host), private_key, timeout) as shell:
        code, output, errors = shell.run(f"sudo -n {target.INTERPRETER} -I -c {shlex.quote(_SCRIPT)}")
    if code != 0:
        why = sentence(errors, 160) or "no reason given"
        raise Unavailable(
            f"{host.name} cannot be asked what it has seen: {why}; see `tenantry server test {host.name}`"
        )
    return read(host.name, output)


def read(name: str, text: str) -> Seen:
    """Return a server's answer as numbers; InvalidInput when it is anything else."""
    try:
        answer = json.loads(text)
        services = {_number(key): _pair(value) for key, value in answer["services"].items()}
        uid = _number(answer["uid"])
    except (ValueError, KeyError, TypeError, AttributeError):
        services, uid = {}, -1
    if uid < 0 or len(services) > _SERVICES:
        raise InvalidInput(name, "answers with something that no guard writes", "look at /var/lib/tenantry/guard there")
    return Seen(
        server=name,
        token=max((token for _, token in services.values()), default=0),
        uid=uid,
        generations={service: generation for service, (generation, _) in services.items()},
    )


def _pair(value: Any) -> tuple[int, int]:
    generation, token = value
    return _number(generation), _number(token)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not 0 <= int(value) <= _MAXIMUM:
        raise ValueError
    return int(value)
