# SPDX-License-Identifier: Apache-2.0
"""Removing a tree that a customer has made, whatever he has put into it.

The tree is renamed into a folder of root's own on the same file system, where nobody can reach it by a path any more, and
is taken apart there. Every name is used relative to a descriptor of its real parent and never followed. A folder found in
the tree is first renamed up into that folder of root's, so no depth and no length of path matters, few descriptors are
open at a time, and the walk cannot enter another file system: what is mounted cannot be renamed. A mount is undone instead,
and what it shows is left alone; only root can have made it. A run that died is taken up by the next one.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import stat
import struct
import time
from collections.abc import Callable

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

FOLDER = ".tenantry-removed"
_PATIENCE_SECONDS = 3000.0  # of one run; what it has removed stays removed
_FLAGS_GET, _FLAGS_SET = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
_APPEND, _IMMUTABLE = 0x20, 0x10
_DETACH, _PRIVATE = 2, 0x4000 | 0x40000  # MNT_DETACH; MS_REC and MS_PRIVATE
_MOUNTS_ONE_ABOVE_THE_OTHER = 100
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def remove(step: Step, path: str) -> None:
    """Ensure that nothing lies at ``path``, a folder in one that only root writes; what a dead run left goes as well.

    Raises UnsafePath for a link at ``path``, StepFailed ``busy`` when somebody writes faster than we remove.
    """
    parent, name = os.path.split(path)
    aside = f"{parent}/{FOLDER}"
    there, begun = files.directory_state(path) is not None, files.directory_state(f"{aside}/{name}") is not None
    if not there and not begun:
        return
    step.note(path + "/", "with all that is in it\n", "")
    if step.check_mode:
        return
    for folder in (aside, f"{aside}/{name}"):
        files.make_directory(folder, 0o700, os.geteuid(), os.getegid())
    with files.open_directory(parent) as outer, files.open_directory(f"{aside}/{name}") as inner:
        shredder = _Shredder(inner)
        if there:
            shredder.take(outer, name)
        shredder.empty()
    with files.open_directory(aside) as outer:
        os.rmdir(name, dir_fd=outer)
    if shredder.unmounted:
        shown = ", ".join(sorted(set(shredder.unmounted))[:5])
        step.warnings.append(f"mounts in {path} were undone, what they show was left alone: {shown}")


class _Shredder:
    """Takes trees into one folder of root's and takes them apart there."""

    def __init__(self, folder: int) -> None:
        self.folder = folder
        self.unmounted: list[str] = []
        self._deadline = time.monotonic() + _PATIENCE_SECONDS

    def take(self, parent: int, name: str) -> None:
        """Move a folder in here under a name of our own."""
        new = secrets.token_hex(8)
        self._insist(parent, name, lambda: os.rename(name, new, src_dir_fd=parent, dst_dir_fd=self.folder))

    def empty(self) -> None:
        """Take apart what is in here until nothing is left."""
        while names := os.listdir(self.folder):
            self._check_patience()
            for name in names:
                self._dissolve(name)

    def _dissolve(self, name: str) -> None:
        """Empty one folder, its own folders moved up beside it, and remove it."""
        if not stat.S_ISDIR(os.lstat(name, dir_fd=self.folder).st_mode):
            self._insist(self.folder, name, lambda: os.unlink(name, dir_fd=self.folder))
            return
        descriptor = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=self.folder)
        try:
            while self._clear_once(descriptor):
                pass  # somebody who was in it when it was moved away may still have put something there
        finally:
            os.close(descriptor)
        try:
            self._insist(self.folder, name, lambda: os.rmdir(name, dir_fd=self.folder))
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # not empty again: the next round has it
                raise

    def _clear_once(self, descriptor: int) -> bool:
        found = False
        with os.scandir(descriptor) as entries:
            for entry in entries:
                found = True
                self._check_patience()
                if entry.is_dir(follow_symlinks=False):
                    self.take(descriptor, entry.name)
                else:
                    self._insist(descriptor, entry.name, lambda name=entry.name: os.unlink(name, dir_fd=descriptor))
        return found

    def _check_patience(self) -> None:
        if time.monotonic() > self._deadline:
            raise StepFailed("busy", "the tree is not gone yet; the next run goes on with what is left")

    def _insist(self, parent: int, name: str, act: Callable[[], None]) -> None:
        """Do it; where a mount is in the way undo it, where a flag is clear it."""
        for _ in range(_MOUNTS_ONE_ABOVE_THE_OTHER):
            try:
                act()
                return
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return  # gone, or of another kind since we looked: the next look sees it
            except PermissionError:
                _with_flags_cleared(parent, name, act)
                return
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                _unmount(parent, name)
                self.unmounted.append(name)
        raise StepFailed("busy", f"{name!r} has too many mounts one above the other; undo them")


def _unmount(parent: int, name: str) -> None:
    """Undo the mount on a name, and on that name only.

    Without being made private first, undoing what is mounted within a mount would undo it wherever else it is seen.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        path = b"/proc/self/fd/%d" % descriptor
        library = ctypes.CDLL(None, use_errno=True)
        if library.mount(None, path, None, ctypes.c_ulong(_PRIVATE), None) or library.umount2(path, _DETACH):
            number = ctypes.get_errno()
            raise OSError(number, f"{name!r} is in use and cannot be removed: {os.strerror(number)}")
    finally:
        os.close(descriptor)


def _with_flags_cleared(parent: int, name: str, act: Callable[[], None]) -> None:
    """Do it without the flags that forbid changes, on the parent and on the thing itself.

    The same file may lie elsewhere under another name: there its flags stay what they were.
    """
    _clear_flags(parent)
    status = os.lstat(name, dir_fd=parent)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        act()  # devices and links have no flags, and opening a device does things
        return
    descriptor = os.open(name, _OPEN, dir_fd=parent)
    try:
        before = _clear_flags(descriptor)
        try:
            act()
        finally:
            if stat.S_ISREG(status.st_mode) and before and os.fstat(descriptor).st_nlink:
                _set_flags(descriptor, before)
    finally:
        os.close(descriptor)


def _clear_flags(descriptor: int) -> int:
    """Clear the flags that forbid changes; return what was set if that was needed, otherwise 0."""
    buffer = bytearray(8)
    try:
        fcntl.ioctl(descriptor, _FLAGS_GET, buffer)
    except OSError:
        return 0  # a file system without such flags
    flags = int(struct.unpack("I4x", buffer)[0])
    if not flags & (_APPEND | _IMMUTABLE):
        return 0
    _set_flags(descriptor, flags & ~(_APPEND | _IMMUTABLE))
    return flags


def _set_flags(descriptor: int, flags: int) -> None:
    fcntl.ioctl(descriptor, _FLAGS_SET, struct.pack("I4x", flags))
