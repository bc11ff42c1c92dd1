"""The mark in a process's own environment, as others see it in /proc.

A forked process keeps the environment of the program that was started, whatever it sets later. The mark is written over in
place, so that everything that finds an attempt's processes by their mark finds these too.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from orchestrator.execute.processes import MARK

_ENV_START, _ENV_END = 49, 50  # proc(5), counted from the state, which follows the name's bracket
_BEFORE_STATE = 2


def mark(name: str) -> None:
    """Make ``name`` the mark of this process; ValueError unless it is marked with one of the same length."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = (int(fields[number - _BEFORE_STATE]) for number in (_ENV_START, _ENV_END))
    block = ctypes.string_at(start, end - start)
    wanted = f"{MARK}={name}\0".encode()
    at = (b"\0" + block).find(b"\0" + MARK.encode() + b"=")
    if at < 0 or block.find(b"\0", at) + 1 - at != len(wanted):
        raise ValueError(f"no {MARK} of {len(name)} characters to write over")
    ctypes.memmove(start + at, wanted, len(wanted))
