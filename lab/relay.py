"""A slow, lossy cable: passes frames between two interfaces, late or not at all.

The usual tool, tc netem, is a kernel module that many machines lack; this needs nothing but a packet socket.
Run as `python3 relay.py A B DELAY_MS LOSS_PERCENT`; it ends when one of the interfaces is removed.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import sys
import time

_ALL_PROTOCOLS = 0x0003
_FRAME = 65536
_IDLE = 1.0
_PAUSE = 0.05


class Cable:
    """Two interfaces and the frames on their way between them."""

    def __init__(self, names: tuple[str, str], delay: float, loss: float) -> None:
        self.names = names
        self.delay = delay
        self.loss = loss
        self.ends = [self._open(name) for name in names]
        self.waiting: list[tuple[float, int, int, bytes]] = []  # due, order, receiving end, frame
        self.count = 0
        self.random = random.Random(0)  # the same losses in every run

    def pass_frames(self) -> None:
        """Pass frames until an interface is gone."""
        while self._present():
            wait = min(_IDLE, max(0.0, self.waiting[0][0] - time.monotonic())) if self.waiting else _IDLE
            for end in select.select(self.ends, [], [], wait)[0]:
                self._take(self.ends.index(end))
            self._deliver()

    def _take(self, end: int) -> None:
        try:
            frame, source = self.ends[end].recvfrom(_FRAME)
        except OSError:  # the link is down for now
            time.sleep(_PAUSE)
            return
        # The socket also shows what was sent through it; passing that on would go round for ever.
        if source[2] == socket.PACKET_OUTGOING or self.random.random() < self.loss:
            return
        self.count += 1
        heapq.heappush(self.waiting, (time.monotonic() + self.delay, self.count, 1 - end, frame))

    def _deliver(self) -> None:
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(self.waiting)
            try:
                self.ends[end].send(frame)
            except OSError:  # the link is down: a cable would lose the frame as well
                continue

    def _present(self) -> bool:
        try:
            return all(socket.if_nametoindex(name) for name in self.names)
        except OSError:
            return False

    @staticmethod
    def _open(name: str) -> socket.socket:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        end.bind((name, 0))
        return end


def main(argv: list[str]) -> None:
    """Pass frames between the two named interfaces."""
    first, second, delay_ms, loss_percent = argv
    Cable((first, second), float(delay_ms) / 1000, float(loss_percent) / 100).pass_frames()


if __name__ == "__main__":
    main(sys.argv[1:])
