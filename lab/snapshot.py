"""What a node holds, in a form that can be compared: proof that an action touched nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lab import access
from lab.config import Lab

Entry = dict[str, "str | int"]
Tree = dict[str, Entry]

SCRIPT = Path(__file__).parent / "scripts" / "tree.py"
ROOTS = (
    "/etc",
    "/home",
    "/srv",
    "/root",
    "/usr/local",
    "/var/lib/powerdns",
    "/var/lib/rspamd/dkim",
    "/var/lib/tenantry",
    "/var/log/tenantry",
    "/var/mail",
    "/var/spool/cron",
    "/var/vmail",
    "/var/www",
)
# Changed by the machine itself, or told per account below (passwd and its kin).
VOLATILE = (
    "/etc/.pwd.lock",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ld.so.cache",
    "/etc/mtab",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/resolv.conf",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/home/deploy/.ansible*",
    "/var/lib/*-journal",
    "/var/lib/*-shm",
    "/var/lib/*-wal",
    "/var/lib/*.pid",
    "/var/lib/*/lock*",
)
_LIMIT = 120.0


def tree(lab: Lab, name: str, *, exclude: Iterable[str] = ()) -> Tree:
    """Read everything managed on a node, in one SSH call as root."""
    wanted = json.dumps({"roots": ROOTS, "exclude": [*VOLATILE, *exclude]})
    answer = access.on(lab, name, "python3", "-", wanted, stdin=SCRIPT.read_text(), timeout=_LIMIT)
    found: Tree = json.loads(answer.stdout)
    return found


def diff(before: Tree, after: Tree) -> list[str]:
    """Say in one line each what was added, removed or changed."""
    lines = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            lines.append(f"{'+' if old is None else '-'} {path}")
        elif old != new:
            keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
            lines.append(f"~ {path}: " + ", ".join(f"{key} {_short(old, key)} -> {_short(new, key)}" for key in keys))
    return lines


def listing(found: Tree) -> list[str]:
    """Return one line an entry, in order."""
    return [" ".join([path, *(f"{key}={value}" for key, value in found[path].items())]) for path in sorted(found)]


def _short(entry: Entry, key: str) -> str:
    return str(entry.get(key, "none"))[:16]
