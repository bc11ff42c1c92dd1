"""Ends a module on a node with SIGKILL just before the n-th thing it does to the node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab import access
from lab.config import Lab

_HOOK = "/usr/lib/python3.11/sitecustomize.py"  # a link to a file in /etc; every Python of the node reads it
_COUNT = "/run/kill-at"
# Counts renames and removals of the files that a test names, and the programs that let a daemon read them.
_PROGRAM = """
import functools, os, shutil, signal, subprocess
try:
    at, *words = open("/run/kill-at").read().split()
except OSError:
    at, words = "0", []
left = int(at)
def counted(act):
    @functools.wraps(act)
    def wrapped(*args, **kwargs):
        global left
        text = " ".join(str(one) for one in (args[:2] if act is not run else args[0]))
        if left and any(word in text for word in words):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return act(*args, **kwargs)
    return wrapped
run = subprocess.run
if left:
    os.rename, os.unlink, shutil.rmtree = counted(os.rename), counted(os.unlink), counted(shutil.rmtree)
    subprocess.run = counted(run)
"""


@contextlib.contextmanager
def killed_at(lab: Lab, node: str, number: int, *words: str) -> Iterator[None]:
    """Within the block, kill what changes files or runs programs whose names have one of the words, at the n-th time."""
    _write(lab, node, _HOOK, _PROGRAM)
    _write(lab, node, _COUNT, " ".join((str(number), *words)))
    try:
        yield
    finally:
        access.on(lab, node, "rm", "-f", _COUNT)
        access.on(lab, node, "ln", "-sf", "/etc/python3.11/sitecustomize.py", _HOOK)


def _write(lab: Lab, node: str, path: str, text: str) -> None:
    access.on(lab, node, "rm", "-f", path)
    access.on(lab, node, "tee", path, stdin=text)
