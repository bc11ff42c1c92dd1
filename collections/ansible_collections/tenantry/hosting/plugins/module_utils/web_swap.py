# SPDX-License-Identifier: Apache-2.0
"""Files of nginx, and a link among them, changed together: made as they are wanted, or put back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import files, web_links
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

MODE = 0o644

Wanted = Mapping[str, str | None]  # path -> content; None where no file may be


class Link(NamedTuple):
    """A symlink that nginx follows, where it should lead, and the files to test as if it led there already."""

    path: str
    target: str
    staged: Wanted


class Swap:
    """What differs from what is wanted, with what was there before. To be made and undone under the daemon's lock."""

    def __init__(self, wanted: Wanted, link: Link | None) -> None:
        before = {path: files.read_state(path) for path in wanted}
        self._before = {path: state for path, state in before.items() if not _is_right(state, wanted[path])}
        self._wanted = {path: wanted[path] for path in self._before}
        self._led = web_links.read(link.path) if link else ""
        self._link = link if link and self._led != link.target else None

    @property
    def is_needed(self) -> bool:
        """Whether anything differs."""
        return bool(self._wanted or self._link)

    @property
    def candidates(self) -> Wanted:
        """The files to be tested."""
        return {**(self._link.staged if self._link else {}), **self._wanted}

    def make(self, step: Step) -> None:
        """Write what is wanted; what cannot be written leaves all as it was."""
        try:
            for path, content in self._wanted.items():
                ensure(step, path, content)
            if self._link is not None:
                web_links.point(step, self._link.path, self._link.target)
        except (OSError, files.UnsafePath):
            self.undo()
            raise

    def undo(self) -> None:
        """Put back what was there, but for what somebody else has changed since."""
        for path, state in self._before.items():
            if _is_right(files.read_state(path), self._wanted[path]):
                _restore(path, state)
        if self._link is not None and web_links.read(self._link.path) == self._link.target:
            web_links.replace(self._link.path, self._led)


def ensure(step: Step, path: str, content: str | None) -> None:
    """Ensure the file, or that there is none."""
    if content is None:
        step.absent(path)
    else:
        step.file(path, content, MODE)


def _is_right(state: files.FileState, content: str | None) -> bool:
    if content is None:
        return state.content is None
    return state.content == content.encode() and (state.mode, state.uid, state.gid) == (MODE, 0, 0)


def _restore(path: str, state: files.FileState) -> None:
    if state.content is None:
        files.remove_file(path)
    else:
        files.replace_file(path, state.content, state.mode, state.uid, state.gid)
