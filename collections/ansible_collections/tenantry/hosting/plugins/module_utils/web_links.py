# SPDX-License-Identifier: Apache-2.0
"""Symlinks in folders that only root writes: the certificate a site uses is one, so that key and chain never mismatch."""

from __future__ import annotations

import os
import secrets

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step


def ensure_some(step: Step, path: str, target: str) -> str:
    """Ensure that there is a link at ``path``, to ``target`` if there was none; return where it leads."""
    now = read(path)
    if now:
        return now
    step.note(path, "", f"-> {target}\n")
    if not step.check_mode:
        with files.open_directory(os.path.dirname(path)) as parent:
            os.symlink(target, os.path.basename(path), dir_fd=parent)
    return target


def point(step: Step, path: str, target: str) -> bool:
    """Ensure that the link leads to ``target``, in one rename; True when it has not before."""
    now = read(path)
    if now == target:
        return False
    step.note(path, f"-> {now}\n" if now else "", f"-> {target}\n")
    if not step.check_mode:
        replace(path, target)
    return True


def replace(path: str, target: str) -> None:
    """Let the link lead to ``target``; with an empty one there is none any more."""
    if not target:
        files.remove_file(path)
        return
    with files.open_directory(os.path.dirname(path)) as parent:
        name = os.path.basename(path)
        temporary = f".{name}.{secrets.token_hex(6)}"
        os.symlink(target, temporary, dir_fd=parent)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)


def read(path: str) -> str:
    """Return where a link leads, "" when nothing lies there. Anything but a link raises UnsafePath."""
    try:
        with files.open_directory(os.path.dirname(path)) as parent:
            return os.readlink(os.path.basename(path), dir_fd=parent)
    except FileNotFoundError:
        return ""
    except OSError:
        raise files.UnsafePath(f"{path} is not the link it should be; remove it") from None
