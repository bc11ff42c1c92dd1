"""One open SSH connection to each server, shared by the attempts there, and the interpreters at its other end.

A handshake costs more than the step, and starting Python costs more than what it is started for.

A connection belongs to a server as it is known: another address, login or pinned key is another connection. Whoever finds
none ready makes its own, as without this file; nothing ever waits here.
"""

from __future__ import annotations

import contextlib
import functools
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from orchestrator.core.records import Host
from orchestrator.execute.node.pool import Interpreter, Pool

logger = structlog.get_logger(__name__)

SOCKET = "ssh"  # in the directory of an attempt as well: the name that its clients look for
MAXIMUM = 200  # connections; every one is a process here and one on its server
IDLE_SECONDS = 120.0
_REST_SECONDS = 30.0  # after a connection that could not be made
_STOP_SECONDS = 2.0
Make = Callable[[Host], contextlib.AbstractContextManager[Path]]  # a private directory for one connection
Command = Callable[[Host, Path, str], tuple[list[str], Mapping[str, str]]]  # how ssh is called there; "" opens it


@dataclass
class Lent:
    """What an attempt works with."""

    is_shared: bool = False  # the open connection
    interpreter: Interpreter | None = None
    is_over: bool = False  # the attempt came to its end by itself


@dataclass
class _Open:
    process: subprocess.Popen[bytes]
    directory: Path
    stack: contextlib.ExitStack
    interpreters: Pool
    users: int = 0
    used_at: float = 0.0

    def close(self) -> None:
        """End it; one that is stuck in the kernel is not waited for."""
        self.interpreters.close()
        for end in (self.process.terminate, self.process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
                break
        self.stack.close()


class Connections:
    """The open connections of one orchestrator. Threads may share one."""

    def __init__(self, make: Make, command: Command, idle_seconds: float = IDLE_SECONDS) -> None:
        self._make, self._command, self._idle_seconds = make, command, idle_seconds
        self._lock = threading.Lock()
        self._open: dict[Host, _Open] = {}
        self._not_before: dict[Host, float] = {}
        self._timer: threading.Timer | None = None
        # Whoever asks for a connection may be a thread that ends soon, and the kernel would end with it what it has started.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="connections")
        self.counts: Counter[str] = Counter()  # see Pool

    @contextlib.contextmanager
    def shared_with(self, host: Host, directory: Path) -> Iterator[Lent]:
        """Lend the connection to ``host``, and an interpreter, to the attempt in ``directory``, or it has to do without."""
        lent = Lent()
        with self._lock:
            found = self._find(host)
            if found:
                (directory / SOCKET).symlink_to(Path("..") / found.directory.name / SOCKET)
                found.users += 1
                lent.is_shared, lent.interpreter = True, self._interpreter(found, host)
        try:
            yield lent
        finally:
            if found:
                with self._lock:
                    if lent.interpreter:
                        found.interpreters.give_back(lent.interpreter, lent.is_over)
                    found.users -= 1
                    found.used_at = time.monotonic()

    def _interpreter(self, found: _Open, host: Host) -> Interpreter | None:
        try:
            return found.interpreters.take()
        except OSError as error:
            logger.warning("no interpreter is kept", host=host.name, error=str(error))
            return None

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            for host in list(self._open):
                self._drop(host)

    def _find(self, host: Host) -> _Open | None:
        found = self._open.get(host)
        if found and found.process.poll() is not None:
            self._not_before[host] = time.monotonic() + _REST_SECONDS
            self._drop(host)
            return None
        if found is None:
            self._connect(host)
            return None
        return found if (found.directory / SOCKET).exists() else None

    def _connect(self, host: Host) -> None:
        if time.monotonic() < self._not_before.get(host, 0.0) or not self._has_room():
            return
        try:
            self._open[host] = self._start(host)
        except OSError as error:
            logger.warning("no connection is kept open", host=host.name, error=str(error))
            self._not_before[host] = time.monotonic() + _REST_SECONDS
            return
        self._not_before.pop(host, None)
        self._look_later()

    def _start(self, host: Host) -> _Open:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(self._make(host))
            process = self._call(host, directory, "", subprocess.DEVNULL)
            pool = Pool(functools.partial(self._call, host, directory), self.counts)
            return _Open(process, directory, stack.pop_all(), pool, used_at=time.monotonic())

    def _call(self, host: Host, directory: Path, what: str, talk: int) -> subprocess.Popen[bytes]:
        command, environment = self._command(host, directory, what)

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                stdin=talk,
                stdout=talk,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )

        return self._starter.submit(start).result()

    def _has_room(self) -> bool:
        """True when there may be one more connection; the one that was idle for longest is closed for it."""
        if len(self._open) < MAXIMUM:
            return True
        idle = [host for host, one in self._open.items() if not one.users]
        if not idle:
            return False
        self._drop(min(idle, key=lambda host: self._open[host].used_at))
        return True

    def _look_later(self) -> None:
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(self._idle_seconds / 2, self._close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _close_idle(self) -> None:
        with self._lock:
            before = time.monotonic() - self._idle_seconds
            for host in [host for host, one in self._open.items() if not one.users and one.used_at < before]:
                self._drop(host)
            self._timer = None
            if self._open:
                self._look_later()

    def _drop(self, host: Host) -> None:
        self._open.pop(host).close()
