"""Memory and processor time of a process and everything below it, from /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 2.0  # a look at a hundred processes' memory takes a core for a tenth of a second


@dataclass
class Peak:
    """The highest sum that was seen."""

    bytes: int = 0


def resident(pid: int) -> int:
    """Return the proportional set size of one process in bytes, 0 when it is gone: shared pages count once in all."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found, rest = [], [pid]
    while rest:
        one = rest.pop()
        found.append(one)
        with suppress(OSError):  # it has ended meanwhile
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                rest += [int(number) for number in children.read_text().split()]
    return found


def processor_seconds(pid: int) -> float:
    """Return what a process and those below it have used, with their children that have ended."""
    total = 0
    for one in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(number) for number in fields[11:15])  # proc(5): utime, stime, cutime, cstime
    return total / os.sysconf("SC_CLK_TCK")


@contextmanager
def peak_while(pid: int, poll_seconds: float = _POLL_SECONDS) -> Iterator[Peak]:
    """Watch a process and its descendants while the block runs; what is timed must last much longer than a poll."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(poll_seconds):
            peak.bytes = max(peak.bytes, sum(resident(one) for one in family(pid)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
