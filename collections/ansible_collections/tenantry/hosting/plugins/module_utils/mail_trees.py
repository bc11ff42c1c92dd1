# SPDX-License-Identifier: Apache-2.0
"""Folders of mail: moved aside in one rename, then deleted where nobody but root comes. No link is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

REMOVED = (
    ".removed"  # below the folder of all mail, since a rename stays within one file system; no domain has this name
)


def exists(path: str) -> bool:
    """Whether something lies at the path."""
    try:
        with files.open_directory(os.path.dirname(path)) as parent:
            os.stat(os.path.basename(path), dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def set_aside(step: Step, vmail: str, path: str, label: str) -> None:
    """Move what lies at ``path`` to where ``purge`` with the same label finds it, also after a crash."""
    if not exists(path):
        return
    step.note(path, "mail\n", "")
    if step.check_mode:
        return
    files.make_directory(os.path.join(vmail, REMOVED), 0o700, 0, 0)
    with files.open_directory(os.path.dirname(path)) as parent, files.open_directory(f"{vmail}/{REMOVED}") as target:
        name = f"{label}~{secrets.token_hex(6)}"
        os.rename(os.path.basename(path), name, src_dir_fd=parent, dst_dir_fd=target)
        os.fsync(target)


def purge(step: Step, vmail: str, label: str) -> None:
    """Delete what was set aside under the label."""
    try:
        with files.open_directory(f"{vmail}/{REMOVED}") as target:
            for name in sorted(os.listdir(target)):
                if name.startswith(f"{label}~"):
                    step.note(f"{vmail}/{REMOVED}/{name}", "mail\n", "")
                    if not step.check_mode:
                        remove(target, name)
    except FileNotFoundError:
        return


def remove(parent: int, name: str) -> None:
    """Delete an entry of the open directory with all below it; a link itself, never its target."""
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def remove_if_empty(path: str) -> None:
    """Remove a folder in which nothing lies."""
    try:
        with files.open_directory(os.path.dirname(path)) as parent:
            os.rmdir(os.path.basename(path), dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise


def remove_tree(step: Step, path: str) -> None:
    """Remove a folder of root's."""
    if not exists(path):
        return
    step.note(path, "files\n", "")
    if not step.check_mode:
        with files.open_directory(os.path.dirname(path)) as parent, contextlib.suppress(FileNotFoundError):
            remove(parent, os.path.basename(path))


def rename(vmail: str, former: str, domain: str) -> bool:
    """Give a domain's folder its new name; False when there is a folder of that name already."""
    with files.open_directory(vmail) as parent:
        there = set(os.listdir(parent))
        if former not in there:
            return True
        if domain in there:
            return False
        os.rename(former, domain, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
    return True
