"""The files of playbooks and roles, read and parsed before the fork.

ansible parses each file of an attempt and then copies what it has parsed, lest anybody change what it keeps. A fork has that
copy already: all memory of its template is its own. So what was parsed here is given out once, and then forgotten; whoever
asks again gets it by ansible's own way. A file that changes ends the template (see launcher).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

_FILES = (
    *("playbooks/*/*.yml", "roles/*/tasks/*.yml", "roles/*/defaults/*.yml", "roles/*/handlers/*.yml"),
    *("roles/*/vars/*.yml", "roles/*/meta/*.yml"),
)


def parse_all(project_root: Path) -> Mapping[str, Any]:
    """Parse every file of the playbooks and roles and let each fork have each of them once; return what they hold, by path."""
    loader, known = DataLoader(), {}
    for path in (str(path) for pattern in _FILES for path in project_root.glob(pattern)):
        with contextlib.suppress(AnsibleError, OSError, UnicodeError):  # whoever uses a broken one is told by ansible
            known[path] = loader.load_from_file(path, cache="none", unsafe=True, trusted_as_template=True)
    DataLoader.load_from_file = _giving(known, DataLoader.load_from_file)
    return known


def _giving(known: dict[str, Any], load: Any) -> Any:
    @functools.wraps(load)
    def load_from_file(self: DataLoader, file_name: str, *arguments: Any, **options: Any) -> Any:
        if arguments or options.keys() - {"cache", "trusted_as_template"} or not options.get("trusted_as_template"):
            return load(self, file_name, *arguments, **options)
        parsed = known.pop(self.path_dwim(file_name), None)
        return load(self, file_name, **options) if parsed is None else parsed

    return load_from_file
