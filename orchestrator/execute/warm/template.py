"""The process that attempts are forked from.

It has imported everything and run one play, knows nothing of any attempt, has one thread and one connection: to the
orchestrator that started it. When that ends, so does this process, and with it (by a signal of the kernel) every fork of it.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from orchestrator.execute import child
from orchestrator.execute.node.call import LENT
from orchestrator.execute.processes import MARK
from orchestrator.execute.warm import marking

REQUEST_BYTES = 200_000
_FILES = 3  # output, errors and, where there is one, an interpreter on the server
_INTERPRETER = 3  # the number of that one in the process that runs ansible


def main() -> int:
    """Prime this process with the play in the first message, say so, and then fork at every further one."""
    os.umask(0o077)
    child.call_process("tenantry-warm")
    channel = socket.socket(fileno=int(sys.argv[2]))
    channel.set_inheritable(False)
    order = json.loads(channel.recv(REQUEST_BYTES))
    command, environment = child.command(order)
    os.environ.update(environment)
    playbook = importlib.import_module("orchestrator.execute.warm.playbook")  # ansible reads its settings now
    compiled = importlib.import_module("orchestrator.execute.warm.compiled")
    compiled.keep()
    code = playbook.run(command, environment)
    if code != 0:
        raise RuntimeError(f"the priming play ended with {code}")
    parsed = importlib.import_module("orchestrator.execute.warm.parsed")
    compiled.compile_all(parsed.parse_all(Path(order["project_root"])))
    playbook.preload()
    playbook.forget()
    importlib.import_module("orchestrator.execute.warm.inline").keep_tasks_here()
    cache = Path(order["directory"]) / "modules"
    cache.mkdir(mode=0o700)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks here
    channel.send(b'{"ready": true}')
    _serve(channel, _Warm(playbook, environment, cache))
    return 0


def _serve(channel: socket.socket, warm: _Warm) -> None:
    while True:
        data, descriptors, _flags, _address = socket.recv_fds(channel, REQUEST_BYTES, _FILES)
        if not data:
            return
        parent = os.getpid()
        number = os.fork()
        if number == 0:
            channel.close()
            _become(json.loads(data), descriptors, warm, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps({"pid": number}).encode())


def _become(request: Mapping[str, Any], descriptors: Sequence[int], warm: _Warm, parent: int) -> NoReturn:
    """Be the helper of one attempt, as if it had been started for it."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _take(descriptors[:2])
        environment = request["environment"]
        marking.mark(environment[MARK])
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(request["order"]["directory"])
        child.run_ansible_with(functools.partial(warm.spawned, descriptors[2:]))
        code = child.carry_out({**request["order"], "parent": parent, "connect": None})
    except BaseException:  # noqa: BLE001 - the attempt's own file has it, and its missing result says the rest
        traceback.print_exc()
    child.leave(code)


def _take(descriptors: Sequence[int]) -> None:
    """Make the two pipes of the request this process's output and errors."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *descriptors)):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _only(interpreter: Sequence[int]) -> dict[str, str]:
    """Close every other open file; return the variable by which ansible's connection finds this one."""
    for number in interpreter:
        os.dup2(number, _INTERPRETER, inheritable=False)
    os.closerange(_INTERPRETER + len(interpreter), 256)
    return {LENT: str(_INTERPRETER)} if interpreter else {}


class _Warm:
    """How a fork runs ansible: as a fork of itself."""

    def __init__(self, playbook: ModuleType, primed: Mapping[str, str], cache: Path) -> None:
        self._playbook, self._primed, self._cache = playbook, primed, cache

    def spawned(self, interpreter: Sequence[int], arguments: Sequence[bytes], options: dict[str, Any]) -> None:
        """Make a process that is about to start ansible run it instead, unless that could come out differently."""
        environment = options["env"]
        if differing := self._playbook.differs(self._primed, environment):
            sys.stderr.write(f"ansible is started: {', '.join(differing)} differ\n")
            return
        command = [os.fsdecode(argument) for argument in arguments]
        before = options.get("preexec_fn")

        def instead() -> NoReturn:
            if before:
                before()
            self._run(command, environment, interpreter)

        options["preexec_fn"], options["pass_fds"] = instead, interpreter

    def _run(self, command: Sequence[str], environment: Mapping[str, str], interpreter: Sequence[int]) -> NoReturn:
        """Run ansible in this process, which has a terminal and at most an interpreter, and leave."""
        code = 250
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            child.call_process("ansible-playbook")
            lent = _only(interpreter)  # the pipe that would tell of a failed start is closed: all is well
            code = self._playbook.run(command, {**environment, **lent}, self._cache)
        except BaseException:  # noqa: BLE001 - ansible's own last line, when it is started
            traceback.print_exc()
        child.leave(code)
