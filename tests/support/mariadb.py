"""A MariaDB server of the tests' own: a temporary data directory, a free port on loopback, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymysql

_ROOM = 4 * 1024**3  # bytes
_PORTS = 20_000, 32_768  # Linux begins with 32768 (ip_local_port_range)


def missing() -> str:
    """Return what keeps a server from being started here, or an empty text."""
    return "" if shutil.which("mariadbd") and shutil.which("mariadb-install-db") else "mariadb-server is not installed"


class MariaServer:
    """A running server; ``url(database)`` connects as an account with all rights on it."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder, self.options = folder, tuple(options)
        self.port = _free_port()
        self.socket = folder / "server.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--tmpdir={self.folder / 'tmp'}",
                f"--socket={self.socket}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--pid-file={self.folder / 'server.pid'}",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=256M",
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-use-native-aio=OFF",  # nothing to wait for in memory, and no kernel's io_uring to depend on
                *self.options,
                *(["--user=mysql"] if os.geteuid() == 0 else []),
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        self._killed = False
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with contextlib.suppress(pymysql.err.OperationalError), self.root():
                return
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(self._log())

    @contextlib.contextmanager
    def root(self) -> Iterator[pymysql.cursors.Cursor]:
        """Yield a cursor of the server's root account."""
        connection = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def url(self, name: str) -> str:
        """Create an empty database with an account of its own and return its URL."""
        with self.root() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE USER IF NOT EXISTS {name}@'127.0.0.1' IDENTIFIED BY 'test'")
            cursor.execute(f"GRANT ALL ON {name}.* TO {name}@'127.0.0.1'")
        return f"mysql://{name}:test@127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """Cut the server off without a shutdown."""
        assert self.process is not None
        self._killed = True
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """Shut the server down; raises with its log when it had ended by itself."""
        if self.process is None:
            return
        ended = self.process.poll()
        if ended is not None and not self._killed:
            raise RuntimeError(f"mariadbd ended by itself ({ended}): {self._log()}")
        self.process.terminate()
        self.process.wait(timeout=60)

    def _log(self) -> str:
        lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if "Aborted connection" not in line][-60:])


def _free_port() -> int:
    """Return a port below those that the kernel gives to clients: one that is killed must find it free when it comes back."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port := random.randrange(*_PORTS)))
            return port


def _place() -> str | None:
    """Return a file system in memory that has room: a schema is a hundred waits for a disk. It outlives the server's end."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM else None


def _install(folder: Path) -> None:
    """Fill the data directory. A server that starts empties its place for temporary tables: each has one of its own."""
    (folder / "tmp").mkdir()
    if os.geteuid() == 0:
        for path in (folder, folder / "tmp"):
            shutil.chown(path, "mysql", "mysql")
    places = [f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}"]
    options = [*places, "--skip-test-db", "--auth-root-authentication-method=normal"]
    owner = ["--user=mysql"] if os.geteuid() == 0 else []
    command = ["mariadb-install-db", "--no-defaults", *options, *owner]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")


@contextlib.contextmanager
def server(options: Sequence[str] = ()) -> Iterator[MariaServer]:
    """Start a server in a temporary folder, with more options of its program, and remove both afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tenantry-mariadb-", dir=_place()))
    try:
        _install(folder)
        running = MariaServer(folder, options)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
