# SPDX-License-Identifier: Apache-2.0
"""Files that root writes on a node: compared first, replaced in one rename, never through a link.

Every directory on the way is opened with O_NOFOLLOW, one component at a time, so that a symlink planted by a tenant
ends in an error instead of a write somewhere else.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import hashlib
import os
import pwd
import secrets
import stat
from collections.abc import Iterator


class UnsafePath(Exception):
    """A component of the path is a link, or is not what it should be."""


class FileState:
    """What lies at a path now: ``content`` is None when nothing does."""

    def __init__(self, content: bytes | None, mode: int = 0, uid: int = -1, gid: int = -1) -> None:
        self.content = content
        self.mode = mode
        self.uid = uid
        self.gid = gid


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Yield a descriptor of the directory, no component of which may be a symlink."""
    if not path.startswith("/") or "\0" in path:
        raise UnsafePath(f"{path!r} is not an absolute path")
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in [part for part in path.split("/") if part]:
            if part == "..":
                raise UnsafePath(f"{path} climbs upwards")
            descriptor = _step_into(descriptor, part, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _step_into(descriptor: int, part: str, path: str) -> int:
    inner = _open_inner(descriptor, part, path)
    os.close(descriptor)
    return inner


def _open_inner(descriptor: int, part: str, path: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(part, flags, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafePath(f"{path}: {part} is not a real directory") from None
        raise


def read_state(path: str, limit: int = 4 * 1024 * 1024) -> FileState:
    """Return what lies at ``path``; a missing parent counts as nothing there. A link or device raises UnsafePath."""
    try:
        with open_directory(os.path.dirname(path)) as parent:
            descriptor = os.open(
                os.path.basename(path),
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                dir_fd=parent,
            )
    except FileNotFoundError:
        return FileState(None)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafePath(f"{path} is a symlink") from None
        raise
    with os.fdopen(descriptor, "rb") as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePath(f"{path} is not a regular file")
        return FileState(handle.read(limit), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def ids(owner: str | int, group: str | int) -> tuple[int, int]:
    """Return (uid, gid) of names or numbers; KeyError names the one that is missing."""
    uid = owner if isinstance(owner, int) else pwd.getpwnam(owner).pw_uid
    gid = group if isinstance(group, int) else grp.getgrnam(group).gr_gid
    return uid, gid


def replace_file(path: str, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Write ``content`` beside ``path`` and rename it over; the parent must exist."""
    with open_directory(os.path.dirname(path)) as parent:
        name = os.path.basename(path)
        temporary = f".{name[:100]}.{secrets.token_hex(6)}"
        descriptor = os.open(
            temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=parent,
        )
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(content)
                handle.flush()
                os.fchown(handle.fileno(), uid, gid)
                os.fchmod(handle.fileno(), mode)
                os.fsync(handle.fileno())
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
            raise
        os.fsync(parent)


def remove_file(path: str) -> bool:
    """Unlink ``path`` (a link itself, never its target); False when it was not there."""
    try:
        with open_directory(os.path.dirname(path)) as parent:
            os.unlink(os.path.basename(path), dir_fd=parent)
    except FileNotFoundError:
        return False
    return True


def directory_state(path: str) -> FileState | None:
    """Mode and owner of a real directory, None when it is missing."""
    try:
        with open_directory(path) as descriptor:
            status = os.fstat(descriptor)
    except FileNotFoundError:
        return None
    return FileState(b"", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def make_directory(path: str, mode: int, uid: int, gid: int) -> None:
    """Create the directory or correct its owner and mode; parents must exist."""
    with open_directory(os.path.dirname(path)) as parent:
        name = os.path.basename(path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = _open_inner(parent, name, path)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def fingerprint(content: bytes) -> str:
    """Return a short digest for reports, where the content itself has no place."""
    return hashlib.sha256(content).hexdigest()[:16]
