"""The files of playbooks and roles, read and parsed before the fork.

ansible parses each file of an attempt and then copies what it has parsed, lest anybody change what it keeps. A fork has that
copy already: all memory of its template is its own. So what was parsed here is given out once, and then forgotten; whoever
asks again gets it by ansible's own way. A file that changes ends the template (see launcher).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader

_FILES = (
    *("playbooks/*/*.yml", "roles/*/tasks/*.yml", "roles/*/defaults/*.yml", "roles/*/handlers/*.yml"),
    *("roles/*/vars/*.yml", "roles/*/meta/*.yml"),
)


def parse_all(project_root: Path) -> int:
    """Parse every file of the playbooks and roles, and let each fork have each of them once; return how many there are."""
    loader, known = DataLoader(), {}
    for pattern in _FILES:
        for path in project_root.glob(pattern):
            parsed = _parsed(loader, str(path))
            if parsed is not None:
                known[str(path)] = parsed
    DataLoader.load_from_file = _giving(known, DataLoader.load_from_file)
    return len(known)


def _parsed(loader: DataLoader, path: str) -> Any:
    try:
        return loader.load_from_file(path, cache="none", unsafe=True, trusted_as_template=True)
    except Exception:  # noqa: BLE001 - one that is broken is so for whoever uses it, and is told there
        return None


def _giving(known: dict[str, Any], load: Any) -> Any:
    @functools.wraps(load)
    def load_from_file(self: DataLoader, file_name: str, *arguments: Any, **options: Any) -> Any:
        if arguments or options.keys() - {"cache", "trusted_as_template"} or not options.get("trusted_as_template"):
            return load(self, file_name, *arguments, **options)
        parsed = known.pop(self.path_dwim(file_name), None)
        return load(self, file_name, **options) if parsed is None else parsed

    return load_from_file
