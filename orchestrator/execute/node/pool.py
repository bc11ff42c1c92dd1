"""The interpreters on one server: each is lent to one attempt at a time and kept between two.

Nothing waits here. An attempt that finds none ready works without, and the next one has one.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from orchestrator.execute.node.frames import packed
from orchestrator.execute.target import INTERPRETER

MAXIMUM = 4  # on a server: sshd allows ten sessions on a connection, and plain commands take some
_STOP_SECONDS = 2.0
_MODULES = ("frames", "program")  # in this order
_READY = packed({"ready": True})
_PACKAGE = "orchestrator.execute.node"
# Gives the modules of the program their names without any file, and runs the last one.
_START = """\
import json, sys, types
for name, text in json.loads(sys.stdin.buffer.read({size})).items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), vars(module))
module.main()
"""
Open = Callable[[str, int], subprocess.Popen[bytes]]  # a command on the server, with this as input and output


def program() -> bytes:
    """Return the program as it is sent to a server."""
    folder = Path(__file__).parent
    return json.dumps({f"{_PACKAGE}.{name}": (folder / f"{name}.py").read_text() for name in _MODULES}).encode()


def command(size: int) -> str:
    """Return the command that reads a program of ``size`` bytes from its input and becomes it: as ansible's sudo would."""
    python = f"{INTERPRETER} -I -c {shlex.quote(_START.format(size=size))}"
    return f"sudo -H -S -n -u root {python}"


class State(Enum):
    """What can be done with an interpreter."""

    STARTING = auto()
    READY = auto()
    ENDED = auto()


@dataclass
class Interpreter:
    """One of them, as its owner sees it."""

    process: subprocess.Popen[bytes]  # the ssh client that leads to it
    channel: socket.socket
    state: State = State.STARTING

    def look(self) -> State:
        """Return how it is now. It says that it is ready once, and nothing afterwards unless it is asked."""
        with contextlib.suppress(BlockingIOError):
            said = self.channel.recv(len(_READY), socket.MSG_DONTWAIT)
            is_first = self.state is State.STARTING and said == _READY
            self.state = State.READY if is_first else State.ENDED
        return self.state

    def close(self) -> None:
        """Let it end; one that is stuck in the kernel is not waited for."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)  # an attempt may still hold a copy
        self.channel.close()
        for end in (self.process.terminate, self.process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
                break


class Pool:
    """The interpreters on one server. Its owner holds a lock around every call."""

    def __init__(self, open_: Open, counts: Counter[str]) -> None:
        self._open, self._counts = open_, counts  # "interpreter", "interpreter_cold" and "interpreter_lost"
        self._idle: list[Interpreter] = []  # the one that was used last knows most and stands last
        self._lent = 0
        self._is_closed = False

    def take(self) -> Interpreter | None:
        """Lend one that is ready; None when there is none, and then the next attempt finds one. Raises OSError."""
        self._drop_ended()
        ready = [one for one in self._idle if one.state is State.READY]
        if ready:
            self._idle.remove(ready[-1])
            self._lent += 1
            self._counts["interpreter"] += 1
            return ready[-1]
        self._counts["interpreter_cold"] += 1
        if not self._idle and self._lent < MAXIMUM:
            self._idle.append(self._start())
        return None

    def give_back(self, one: Interpreter, is_over: bool) -> None:
        """Take it back; ``is_over``: the attempt came to its end by itself, so no module of it runs any more."""
        self._lent -= 1
        one.state = one.state if is_over and not self._is_closed else State.ENDED
        self._idle.append(one)
        self._drop_ended()

    def close(self) -> None:
        """End what is not lent, and what is when it comes back."""
        self._is_closed = True
        for one in self._idle:
            one.close()
        self._idle.clear()

    def _drop_ended(self) -> None:
        for one in [one for one in self._idle if one.state is State.ENDED or one.look() is State.ENDED]:
            self._counts["interpreter_lost"] += 1
            self._idle.remove(one)
            one.close()

    def _start(self) -> Interpreter:
        text = program()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            process = self._open(command(len(text)), theirs.fileno())
        with contextlib.suppress(OSError):  # it ended at once: it will not become ready
            ours.send(text, socket.MSG_DONTWAIT)  # there is room for all of it
        return Interpreter(process, ours)
