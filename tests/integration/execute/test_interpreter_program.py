"""The program that waits on servers, on this machine: real processes, and real modules as ansible packs them."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.execute.node import call as calls
from orchestrator.execute.node import frames, pool
from orchestrator.execute.node.call import Call
from orchestrator.execute.node.pool import Interpreter, Pool, State

SUDO = "sudo -H -S -n -u root "
COMMAND = (
    "/bin/sh -c 'sudo -H -S -n  -u root /bin/sh -c '\"'\"'echo BECOME-SUCCESS-abcdefghijklmnopqrstuvwxyzabcdef ; "
    "/usr/bin/python3'\"'\"' && sleep 0'"
)
PACK = """
import sys
from ansible.executor.module_common import modify_module
from ansible.plugins import loader
from ansible.template import Templar
loader.init_plugin_loader([sys.argv[1]])
name = "tenantry.hosting." + sys.argv[2]
path = loader.module_loader.find_plugin_with_context(name, collection_list=[]).plugin_resolved_path
built = modify_module(
    module_name=name, module_path=path, module_args={"roles": ["web"], "_ansible_check_mode": True},
    templar=Templar(None), task_vars={"ansible_python_interpreter": "/usr/bin/python3"}, module_compression="ZIP_DEFLATED",
)
sys.stdout.buffer.write(built.b_module_data)
"""


@pytest.fixture(scope="module")
def script() -> bytes:
    """Return what ansible would send for one of our modules."""
    done = subprocess.run(
        [sys.executable, "-c", PACK, str(PROJECT_ROOT / "collections"), "server_status"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield a list of the interpreters; afterwards none of them runs."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        assert process.wait(10) is not None


@pytest.fixture
def kept(started: list[subprocess.Popen[bytes]]) -> Iterator[Pool]:
    """Yield interpreters of this machine: their command without the sudo in front of it."""

    def open_(command: str, talk: int) -> subprocess.Popen[bytes]:
        assert command.startswith(SUDO)
        python = command.removeprefix(SUDO).replace("/usr/bin/python3", sys.executable, 1)
        started.append(subprocess.Popen(["/bin/sh", "-c", f"exec {python}"], stdin=talk, stdout=talk))
        return started[-1]

    found = Pool(open_, Counter())
    yield found
    found.close()


def counts(kept: Pool) -> Counter[str]:
    found: Counter[str] = vars(kept)["_counts"]
    return found


def take(kept: Pool) -> Interpreter:
    """Return one that is ready."""
    deadline = time.monotonic() + 20
    while (found := kept.take()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def a_call(source: str) -> Call:
    """Return a call of a module that is only this, with ansible's loader replaced by one that runs it."""
    loader = (
        "import runpy\n"
        "def run_module(json_params, profile, module_fqn, modlib_path, extensions):\n"
        "    runpy.run_module(module_fqn, init_globals={'PARAMS': json_params}, run_name='__main__', alter_sys=True)\n"
    )
    return Call(calls.OURS + "probe", "{}", "legacy", zipped({"probe": source, "loader": loader}))


def zipped(texts: dict[str, str]) -> str:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for package in ("ansible", "ansible/module_utils", "ansible/module_utils/_internal"):
            archive.writestr(f"{package}/__init__.py", "")
        archive.writestr("ansible/module_utils/_internal/_ansiballz/__init__.py", "")
        archive.writestr("ansible/module_utils/_internal/_ansiballz/_loader.py", texts["loader"])
        parts = calls.OURS.rstrip(".").split(".")
        for depth in range(len(parts)):
            archive.writestr("/".join(parts[: depth + 1]) + "/__init__.py", "")
        archive.writestr("/".join(parts) + "/probe.py", texts["probe"])
    return base64.b64encode(data.getvalue()).decode()


def test_a_real_module_is_recognised_and_carried_out(script: bytes, kept: Pool) -> None:
    call = calls.recognise(COMMAND, script)
    assert call is not None and call.module == calls.OURS + "server_status"
    one = take(kept)
    for _ in range(2):
        code, out, err = calls.carry_out(call, one.channel.fileno())
        answer = json.loads(out)
        assert (code, err, answer.get("failed", False), answer["changed"]) == (0, b"", False, False), answer
        assert answer["usage"]["server"]["uptime"] > 0
    kept.give_back(one, is_over=True)
    assert kept.take() is one
    kept.give_back(one, is_over=True)
    assert counts(kept)["interpreter_lost"] == 0


@pytest.mark.parametrize(
    "command",
    [
        COMMAND.replace("-u root", "-u w1001"),
        COMMAND.replace("/usr/bin/python3", "LANG=C /usr/bin/python3"),
        COMMAND.replace("/usr/bin/python3", "/usr/bin/python3; id"),
        COMMAND + " ; id",
        "/bin/sh -c '/usr/bin/python3 && sleep 0'",
    ],
)
def test_any_other_command_is_not(script: bytes, command: str) -> None:
    assert calls.recognise(COMMAND, script) is not None
    assert calls.recognise(command, script) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ansible_collections.tenantry.hosting.plugins.modules.server_status", b"ansible.modules.command"),
        (b"rlimit_nofile=0", b"rlimit_nofile=9"),
        (b"extensions={}", b"extensions={'_debugpy': {}}"),
        (b"\nprofile='", b"\nanother=1,\nprofile='"),
        (b"\nprofile='", b"\nprofile=open('/etc/passwd').read() or '"),
        (b"_ansiballz_main(\n", b"_another_main(\n"),
    ],
)
def test_any_other_script_is_not(script: bytes, old: bytes, new: bytes) -> None:
    assert old in script
    assert calls.recognise(COMMAND, script.replace(old, new)) is None
    assert calls.recognise(COMMAND, None) is None


def test_output_exit_code_and_errors_are_those_of_the_module(kept: Pool) -> None:
    one = take(kept)
    said = a_call("import sys\nprint('grüße')\nsys.stderr.write('hm')\nsys.exit(7)\n")
    assert calls.carry_out(said, one.channel.fileno()) == (7, "grüße\n".encode(), b"hm")
    kept.give_back(one, is_over=False)
    for source, code in (("raise ValueError('x')", 1), ("import os; os.kill(os.getpid(), 9)", 137), ("exit()", 0)):
        one = take(kept)  # a fresh one: the same module is another text
        assert calls.carry_out(a_call(source), one.channel.fileno())[0] == code
        kept.give_back(one, is_over=False)


def test_a_daemon_of_a_module_is_not_waited_for(kept: Pool) -> None:
    source = "import subprocess\nprint(subprocess.Popen(['sleep', '30']).pid)\n"
    one = take(kept)
    began = time.monotonic()
    _, out, _ = calls.carry_out(a_call(source), one.channel.fileno())
    os.kill(int(out), signal.SIGKILL)
    assert time.monotonic() - began < 20
    kept.give_back(one, is_over=True)


def test_much_output_is_cut_and_hangs_nothing(kept: Pool) -> None:
    one = take(kept)
    code, out, _ = calls.carry_out(a_call("print('x' * 9_000_000)\nraise SystemExit(3)"), one.channel.fileno())
    assert (code, len(out)) == (3, 8_000_000)
    kept.give_back(one, is_over=True)


def test_a_file_that_has_changed_ends_it(kept: Pool) -> None:
    one = take(kept)
    assert calls.carry_out(a_call("print(1)"), one.channel.fileno())[1] == b"1\n"
    with pytest.raises(frames.Broken):
        calls.carry_out(a_call("print(2)"), one.channel.fileno())
    kept.give_back(one, is_over=True)
    assert counts(kept)["interpreter_lost"] == 1
    fresh = take(kept)
    assert calls.carry_out(a_call("print(2)"), fresh.channel.fileno())[1] == b"2\n"
    kept.give_back(fresh, is_over=True)


def test_an_answer_to_somebody_else_is_not_ours(kept: Pool) -> None:
    """Whoever asked was ended in the middle, and the interpreter was lent on all the same."""
    one = take(kept)
    call = a_call("import time\ntime.sleep(0.3)\nprint('slow')\n")
    frames.send(one.channel.fileno(), {**call.request(), "files": call.files, "number": "of another"})
    with pytest.raises(frames.Broken):
        calls.carry_out(call, one.channel.fileno())
    kept.give_back(one, is_over=False)


@pytest.mark.parametrize(
    "said", [b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01x", b"\x00"]
)
def test_nonsense_of_a_server_is_an_error(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(frames.Broken):
            calls.carry_out(a_call("pass"), ours.fileno())


def test_one_that_speaks_out_of_turn_is_ended(kept: Pool, started: list[subprocess.Popen[bytes]]) -> None:
    one = take(kept)
    call = a_call("print(1)")
    frames.send(one.channel.fileno(), {**call.request(), "files": call.files, "number": "x"})
    while one.look() is not State.ENDED:
        time.sleep(0.02)
    kept.give_back(one, is_over=True)
    assert started[0].wait(10) is not None
    assert kept.take() is None


def test_there_are_never_more_than_a_few(kept: Pool, started: list[subprocess.Popen[bytes]]) -> None:
    lent = [take(kept) for _ in range(pool.MAXIMUM)]
    assert kept.take() is None
    assert len(started) == pool.MAXIMUM
    for one in lent:
        kept.give_back(one, is_over=True)


def test_the_end_of_the_connection_is_its_end(kept: Pool, started: list[subprocess.Popen[bytes]]) -> None:
    one = take(kept)
    one.channel.shutdown(socket.SHUT_RDWR)
    assert started[0].wait(10) == 0
    kept.give_back(one, is_over=True)
    assert counts(kept)["interpreter_lost"] == 1


def test_arguments_are_in_no_command_line(kept: Pool, started: list[subprocess.Popen[bytes]]) -> None:
    one = take(kept)
    call = a_call("print(open('/proc/self/cmdline').read() + open('/proc/self/environ').read())")
    secret = Call(call.module, '{"password": "hunter2-secret"}', call.profile, call.files)
    _, out, _ = calls.carry_out(secret, one.channel.fileno())
    assert b"sys.stdin.buffer.read" in out and b"hunter2" not in out
    assert b"hunter2" not in Path(f"/proc/{started[0].pid}/cmdline").read_bytes()
    kept.give_back(one, is_over=True)
