"""The helper process of one attempt: runs ansible-runner and sends bounded JSON lines to the orchestrator.

It is started with a clean environment in a session of its own. When the orchestrator dies, even by SIGKILL, the kernel sends
SIGTERM here, and the helper ends every process of the attempt before it leaves.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn

import pexpect
from ansible_runner import Runner, RunnerConfig

from orchestrator.execute import events, processes
from orchestrator.execute.text import Mask

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36  # linux/prctl.h


Spawning = Callable[[Sequence[bytes], dict[str, Any]], None]


class _Stopped(BaseException):
    """SIGTERM arrived, or the attempt says more than it may."""


class _Terminal(pexpect.spawn):  # type: ignore[misc]  # pexpect has no type information
    """A terminal that is closed without a pause of 0.1 s: ansible has ended before."""

    spawning: ClassVar[Spawning | None] = None

    def _spawnpty(self, args: Sequence[bytes], **options: Any) -> Any:
        if _Terminal.spawning:
            _Terminal.spawning(args, options)
        return super()._spawnpty(args, **options)

    def close(self, force: bool = True) -> None:
        """Close the terminal."""
        self.ptyproc.delayafterclose = 0
        super().close(force)


def run_ansible_with(spawning: Spawning) -> None:
    """Show every command line to ``spawning`` before its process is made; it may change the options of pexpect."""
    _Terminal.spawning = spawning


pexpect.spawn = _Terminal  # ansible-runner has no setting for it, and this process runs nothing else


class _Sender:
    """Writes lines to the orchestrator; refuses to write more than the attempt's share."""

    def __init__(self, descriptor: int, maximum_events: int, maximum_bytes: int) -> None:
        self._stream = os.fdopen(descriptor, "wb", buffering=0)
        self._events, self._bytes = maximum_events, maximum_bytes

    def send(self, line: Mapping[str, Any]) -> None:
        """Send one object; _Stopped when there were too many."""
        data = json.dumps(line).encode() + b"\n"
        self._events -= 1
        self._bytes -= len(data)
        if self._events < 0 or self._bytes < 0:
            self.last({"kind": "flood"})
            raise _Stopped
        self._write(data)

    def last(self, line: Mapping[str, Any]) -> None:
        """Send an object that is allowed in any case."""
        self._write(json.dumps(line).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]


def main() -> int:
    """Carry out the attempt described on standard input."""
    return carry_out(json.loads(sys.stdin.buffer.read()))


def carry_out(order: Mapping[str, Any]) -> int:
    """Run an attempt and send what it says to standard output; return 0 unless the helper itself broke."""
    signal.signal(signal.SIGTERM, _stop)
    os.umask(0o077)
    call_process("tenantry-helper")
    _bind_to(order["parent"])
    _limit(order["memory_bytes"], order["file_bytes"])
    sender = _Sender(_take_standard_output(), order["maximum_events"], order["maximum_bytes"])
    code = _carry_out(order, sender)
    if _is_childless() or not processes.end(order["attempt"], [_myself()], order["grace_seconds"]):
        with contextlib.suppress(OSError):  # nobody listens any more
            sender.last({"kind": "alone"})  # the orchestrator need not look for processes again
    return code


def _is_childless() -> bool:
    """True when nothing of the attempt is left but this process, which adopts every orphan of it (see ``_bind_to``).

    Then nobody has to look through all processes of the machine.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return True
    return False


def _carry_out(order: Mapping[str, Any], sender: _Sender) -> int:
    try:
        sender.last({"kind": "end", **_run(order, sender)})
        return 0
    except _Stopped:
        return 0
    except Exception as error:  # noqa: BLE001 - told to the orchestrator, which decides
        traceback.print_exc()
        sender.last({"kind": "broken", "message": f"{type(error).__name__}: {error}"[:2000]})
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leave(code: int) -> NoReturn:
    """End this process without taking the interpreter down piece by piece: that takes as long as starting it."""
    sys.stderr.flush()
    os._exit(code)


def _run(order: Mapping[str, Any], sender: _Sender) -> dict[str, Any]:
    if order["connect"]:
        nowhere = subprocess.DEVNULL
        subprocess.Popen(order["connect"], stdin=nowhere, stdout=nowhere, stderr=nowhere)  # ended with the attempt
    mask = Mask({"jobs": [json.loads(Path(file).read_bytes()) for file in order["job_files"]]})
    token = int(os.environ["JOB_ID"])

    def handle(event: Mapping[str, Any]) -> bool:
        if line := events.accept(event, token, mask):
            sender.send(line)
        return False  # nothing is kept on disk

    config = _prepared(order)
    status, code = Runner(config, event_handler=handle, remove_partials=True).run()
    return {"status": status, "code": code}


def command(order: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment with which ansible is started for an attempt."""
    config = _prepared(order)
    return list(config.command), {name: str(value) for name, value in config.env.items()}


def _prepared(order: Mapping[str, Any]) -> RunnerConfig:
    config = RunnerConfig(
        private_data_dir=order["directory"],
        playbook=order["playbook"],
        inventory=order["inventory"],
        cmdline="--check --diff" if order["check"] else None,
        forks=1,
        timeout=order["timeout_seconds"],
        ident="run",
        fact_cache_type="memory",
        quiet=True,
        suppress_env_files=True,
    )
    config.prepare()
    return config


def _take_standard_output() -> int:
    """Return the pipe to the orchestrator under a number no child inherits; what anybody prints goes nowhere."""
    pipe = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    return pipe


def call_process(name: str) -> None:
    """Give this process a name for ps and top, of 15 characters: a fork has the one of its template."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _bind_to(parent: int) -> None:
    """End with the orchestrator, and adopt every orphan of the attempt."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGTERM), (_PR_SET_CHILD_SUBREAPER, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit(1)  # it died before the kernel knew whom to tell


def _limit(memory_bytes: int, file_bytes: int) -> None:
    """Bound every process of the attempt: a node's endless output ends the step, not the orchestrator's machine."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    with contextlib.suppress(
        OSError
    ):  # where memory runs out all the same, an attempt goes before the orchestrator does
        Path("/proc/self/oom_score_adj").write_text("500")


def _myself() -> processes.Process:
    found = processes.identify(os.getpid())
    assert found is not None  # noqa: S101 - a running process is in /proc
    return found


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped
