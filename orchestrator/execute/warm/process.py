"""One template process, as the orchestrator sees it."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.execute import processes

_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
# -I reads neither PYTHONPATH nor the current directory, -B writes no bytecode; the orchestrator's own root is added last.
_START = "import sys; sys.path.append(sys.argv[1]); from orchestrator.execute.warm import template; sys.exit(template.main())"
_ANSWER_BYTES = 4_096
_FORK_SECONDS = 10.0  # a fork takes milliseconds; more than this is a machine in distress


class Template:
    """A process to fork attempts from; not safe for several threads at once."""

    def __init__(self, order: Mapping[str, Any], environment: Mapping[str, str], directory: Path) -> None:
        """Start it; it is ready about a second later. Raises OSError."""
        self.directory, self.forks = directory, 0
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, (directory / "template.err").open("wb") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _START, str(_PACKAGE_ROOT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                env=dict(environment),
                cwd=directory,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._channel.settimeout(_FORK_SECONDS)
        self._ready = False
        with contextlib.suppress(OSError):  # it died at once: it will not become ready
            self._channel.send(json.dumps(order).encode())

    def is_ready(self, wait_seconds: float = 0.0) -> bool:
        """True when it can be forked; OSError when it has ended instead."""
        if not self._ready and select.select([self._channel], [], [], wait_seconds)[0]:
            self._receive()
            self._ready = True
        return self._ready

    def fork(self, order: Mapping[str, Any], environment: Mapping[str, str], files: Sequence[int]) -> int:
        """Make the helper of an attempt; return its number.

        It gets open files: its output, its errors and, where there is one, what leads to an interpreter on the server.

        Raises OSError or ValueError when there is none, or it is not known whether there is one.
        """
        request = json.dumps({"order": dict(order), "environment": dict(environment)}).encode()
        socket.send_fds(self._channel, [request], list(files))
        answer = self._receive()
        self.forks += 1
        return int(answer["pid"])

    def _receive(self) -> dict[str, Any]:
        data = self._channel.recv(_ANSWER_BYTES)
        answer = json.loads(data) if data else None
        if not isinstance(answer, dict):
            raise ConnectionResetError(f"the template has ended: {self.complaint() or 'it said nothing'}")
        return answer

    def complaint(self) -> str:
        """Return the end of what it printed."""
        with contextlib.suppress(OSError):
            return (self.directory / "template.err").read_text(errors="replace")[-2_000:].strip()
        return ""

    def close(self) -> None:
        """End it, and with it every attempt that was forked from it and still runs."""
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
            return
        self._process.kill()
        self._process.wait(timeout=processes.KILL_SECONDS)
