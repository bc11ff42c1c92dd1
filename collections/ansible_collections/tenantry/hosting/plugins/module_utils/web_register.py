# SPDX-License-Identifier: Apache-2.0
"""What an account has on this node beside its sites: databases, SFTP logins, cron jobs, and to whom each belongs.

One small file an object in a folder that only root reads. It is written before the object is made and removed after the
object has gone, so that a step that died half way finds what it has to complete. An object without a file is somebody
else's and is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os

from ansible_collections.tenantry.hosting.plugins.module_utils import files, web_account
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

ROOT = "/etc/tenantry/web/objects"
DATABASE, SFTP, CRON = "database", "sftp", "cron"


def folder(username: str) -> str:
    """Return where the entries of an account lie."""
    return f"{ROOT}/{username}"


def path(kind: str, username: str, name: str) -> str:
    """Return where the entry of an object lies."""
    return f"{folder(username)}/{kind}-{name}.json"


def of_account(kind: str, username: str) -> list[str]:
    """Return the names of the account's objects of one kind."""
    try:
        found = os.listdir(folder(username))
    except FileNotFoundError:
        return []
    start, end = f"{kind}-", ".json"
    return sorted(name[len(start) : -len(end)] for name in found if name.startswith(start) and name.endswith(end))


def owner_of(kind: str, username: str, name: str) -> str | None:
    """Return the recorded owner ("" when none was given), None when there is no such object."""
    content = files.read_state(path(kind, username, name)).content
    if content is None:
        return None
    try:
        return str(json.loads(content)["owner"])
    except (ValueError, KeyError, TypeError):
        where = path(kind, username, name)
        raise StepFailed("config_broken", f"{where} cannot be read; write it again or remove it") from None


def enter(step: Step, kind: str, username: str, name: str, owner: str, is_there: bool) -> str:
    """Record an object and return its owner; one that ``is_there`` without a record, or is another's, is refused."""
    recorded = owner_of(kind, username, name)
    if recorded is None and is_there:
        raise StepFailed("conflict", f"the {kind} {name} exists and is not the account's; nothing was changed")
    keeper = web_account.require_owner(f"the {kind} {name}", recorded or "", owner)
    step.directory(ROOT, 0o700)
    step.directory(folder(username), 0o700)
    step.file(
        path(kind, username, name), web_account.dump({"name": name, "owner": keeper, "username": username}), 0o600
    )
    return keeper


def may_remove(step: Step, kind: str, username: str, name: str, owner: str, is_there: bool) -> bool:
    """Whether there is something of ours to remove; what is another's is left alone with a warning."""
    recorded = owner_of(kind, username, name)
    if recorded is None:
        if is_there:
            step.warnings.append(f"left alone: the {kind} {name} is not recorded as an account's")
        _tidy(step, username)
        return False
    if recorded and owner and recorded != owner:
        step.warnings.append(f"left alone: the {kind} {name} belongs to {recorded}")
        return False
    return True


def strike(step: Step, kind: str, username: str, name: str) -> None:
    """Remove an object's entry, and the account's folder with the last one."""
    step.absent(path(kind, username, name))
    _tidy(step, username)


def _tidy(step: Step, username: str) -> None:
    if not step.check_mode:
        remove_empty(folder(username))


def remove_empty(directory: str) -> None:
    """Remove a directory that only root writes when nothing is left in it."""
    with contextlib.suppress(FileNotFoundError), files.open_directory(os.path.dirname(directory)) as parent:
        try:
            os.rmdir(os.path.basename(directory), dir_fd=parent)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
