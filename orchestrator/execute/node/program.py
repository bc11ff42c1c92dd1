"""The interpreter on a server: root's Python, started once over SSH, which forks for every module it is asked to run.

What is sent once and kept: the files of our modules, as ansible packs them. What comes with every request: the arguments. A
fork finds everything imported and so does its work at once; it is a process of its own, with the output, the exit code and the
end that a module has which was started by itself. Nothing a module does stays in this process.

    → {"run": module, "code": digest, "params": text, "profile": name}        ← {"unknown": digest}, or
    → the same with "files": base64 of a zip                                  ← {"code": exit code, "out": text, "err": text}

It ends when the connection does or nothing was asked for ten minutes, and lets a module that runs come to its end first:
half a change is worse than a whole one, and the guard refuses whoever is overtaken. This file is the text of a program (see
`frames.py`, which comes before it): Python's own library only.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import selectors
import sys
import time
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from orchestrator.execute.node.frames import receive, send

IDLE_SECONDS = 600.0  # a connection that died unseen keeps nothing alive for longer
OUTPUT_BYTES = 8_000_000  # of a module, kept: far more than any of them says
_PLACE = "/nowhere/"  # the files lie in memory only; a traceback shows this in front of their names
_LOADER = "ansible.module_utils._internal._ansiballz._loader"  # what ansible's own wrapper calls


class Changed(Exception):
    """A file is not what it was in an earlier zip: this process holds the old one and cannot serve the new."""


class Files(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports from the zips that were sent; finds nothing else."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[bytes, str]] = {}  # text and path, by the name of the module
        self._codes: dict[str, CodeType] = {}

    def learn(self, data: bytes) -> set[str]:
        """Add the files of a zip and return their names; Changed when one of them is known with another content."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = {_module_name(path): (archive.read(path), path) for path in archive.namelist()}
        for name, file in found.items():
            if self._sources.get(name, file) != file:
                raise Changed(name)
        self._sources.update(found)
        return set(found)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a module is, for Python's import."""
        del path, target
        if fullname not in self._sources:
            return None
        location = _PLACE + self._sources[fullname][1]
        folders = [location.removesuffix("/__init__.py")] if self.is_package(fullname) else None
        return importlib.util.spec_from_file_location(
            fullname, location, loader=self, submodule_search_locations=folders
        )

    def get_source(self, fullname: str) -> str:
        """Return the text of a module."""
        if fullname not in self._sources:
            raise ImportError(fullname)
        return self._sources[fullname][0].decode()

    def is_package(self, fullname: str) -> bool:
        """Whether a module is a folder."""
        return self._sources[fullname][1].endswith("/__init__.py")

    def get_code(self, fullname: str) -> CodeType:
        """Return a module as Python runs it, compiled once."""
        if fullname not in self._codes:
            self._codes[fullname] = compile(
                self.get_source(fullname), _PLACE + self._sources[fullname][1], "exec", dont_inherit=True
            )
        return self._codes[fullname]


def _module_name(path: str) -> str:
    return path[: -len(".py")].replace("/", ".").removesuffix(".__init__")


class Interpreter:
    """Answers requests."""

    def __init__(self, channel: Sequence[int]) -> None:
        self._channel = channel  # a module's process closes it
        self._files = Files()
        self._known: set[str] = set()  # digests of what was sent
        self._libraries = _libraries()
        sys.meta_path.insert(0, self._files)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request; Changed when a process that has just been started would do it differently."""
        if _libraries() != self._libraries:
            raise Changed("the server's Python or its packages")
        if request["code"] not in self._known:
            if "files" not in request:
                return {"unknown": request["code"]}
            self._learn(request.pop("files"), request["run"])
            self._known.add(request["code"])
        return self._run(request)

    def _learn(self, data: str, module: str) -> None:
        """Import what the module imports, for every fork to find; what fails here fails there again, and is told.

        The module itself is only compiled: it is a program, and nothing of it runs in this process.
        """
        for name in self._files.learn(base64.b64decode(data)) - {module}:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        with contextlib.suppress(Exception):
            self._files.get_code(module)

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        pipes = os.pipe(), os.pipe()
        readers, writers = [pipe[0] for pipe in pipes], [pipe[1] for pipe in pipes]
        number = os.fork()
        if number == 0:
            for descriptor in (*self._channel, *readers):
                os.close(descriptor)
            _be_module(request, writers)
        for descriptor in writers:
            os.close(descriptor)
        try:
            out, err = _gather(number, readers)
        finally:
            for descriptor in readers:
                os.close(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        return {"code": code if code >= 0 else 128 - code, "out": _text(out), "err": _text(err)}


def _libraries() -> list[tuple[str, int]]:
    """Return when the folders of Python's own packages changed: what was imported, or not found, may be another by now."""
    folders = [Path(path) for path in sys.path]
    return [(str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()]


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def _gather(number: int, readers: Sequence[int]) -> list[bytes]:
    """Return what the process says until it has ended; not what its daemons say later."""
    said: dict[int, list[bytes]] = {reader: [] for reader in readers}
    left = OUTPUT_BYTES
    ended = os.pidfd_open(number)
    with selectors.DefaultSelector() as selector:
        for descriptor in (*readers, ended):
            selector.register(descriptor, selectors.EVENT_READ)
        is_over = False
        while not is_over:
            ready = {key.fd for key, _ in selector.select()}
            is_over = ready == {ended}  # and nothing is left to read
            for reader in ready - {ended}:
                part = os.read(reader, 65_536)
                said[reader].append(part[:left])
                left -= len(part[:left])
                if not part:
                    selector.unregister(reader)
    os.close(ended)
    return [b"".join(parts) for parts in said.values()]


def _be_module(request: dict[str, Any], output: Sequence[int]) -> NoReturn:
    """Run the module in this process, as ansible's wrapper does, and leave."""
    code = 1
    try:
        os.setsid()
        for number, descriptor in enumerate(output, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        time.tzset()
        loader: Any = importlib.import_module(_LOADER)
        loader.run_module(
            json_params=request["params"].encode(),
            profile=request["profile"],
            module_fqn=request["run"],
            modlib_path=_PLACE,
            extensions={},
        )
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    except BaseException:  # noqa: BLE001 - the module's standard error has it, and its missing result says the rest
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # a module's temporary folder goes so
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def _taken_channel() -> Iterator[tuple[int, int]]:
    """Yield standard input and output under numbers that no module's child inherits; what anybody prints goes nowhere."""
    channel = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    yield channel


def main() -> None:
    """Answer until the connection ends."""
    with _taken_channel() as channel, contextlib.suppress(OSError, Changed):  # whoever asked sees the end and goes on
        reading, writing = channel
        interpreter = Interpreter(channel)
        send(writing, {"ready": True})
        while request := receive(reading, IDLE_SECONDS):
            send(writing, {**interpreter.answer(request), "number": request["number"]})
