"""One call of a module, recognised in what ansible would send over SSH.

Ansible sends a script in which the module's files and arguments stand as literals, for a Python that root starts. Only what is
exactly such a script with one of our own modules is recognised: any other command, user, environment or module, and any
version of ansible that writes it differently, takes the ordinary way.
"""

from __future__ import annotations

import ast
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from orchestrator.execute.node import frames
from orchestrator.execute.target import INTERPRETER

LENT = "TENANTRY_INTERPRETER"  # environment variable: the number of the open file that leads to one
OURS = "ansible_collections.tenantry.hosting.plugins.modules."
_COMMAND = re.compile(
    r"/bin/sh -c 'sudo -H -S -n  ?-u root /bin/sh -c '\"'\"'echo BECOME-SUCCESS-[a-z]{32} ; "
    + re.escape(INTERPRETER)
    + r"'\"'\"' && sleep 0'"
)
_CALL = b'\n\nif __name__ == "__main__":\n    _ansiballz_main(\n'
_END = b"\n)\n"
_ARGUMENTS = frozenset(
    {"ansible_module", "module_fqn", "profile", "date_time", "rlimit_nofile", "params", "extensions", "zip_data"}
)
_NOT_SENT = frozenset({"ansible_module", "date_time"})  # a name for a folder, and the age of a file that is not made
_PROFILE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Call:
    """A module with its arguments, which may be secret."""

    module: str
    params: str
    profile: str
    files: str  # base64 of a zip

    def request(self) -> dict[str, Any]:
        """Return what is asked of an interpreter that knows the files."""
        digest = hashlib.sha256(self.files.encode()).hexdigest()
        return {
            "run": self.module,
            "code": f"{self.module} {digest}",
            "params": self.params,
            "profile": self.profile,
        }


def recognise(command: str, script: bytes | None) -> Call | None:
    """Return the call that a command with this standard input is; None when it is anything else."""
    if not script or not _COMMAND.fullmatch(command):
        return None
    _head, found, tail = script.rpartition(_CALL)
    if not found or not tail.endswith(_END):
        return None
    lines = [line.partition("=") for line in tail[: -len(_END)].decode().split("\n")]
    if {name for name, _, _ in lines} != _ARGUMENTS or len(lines) != len(_ARGUMENTS):
        return None
    try:
        given = {name: ast.literal_eval(text.removesuffix(",")) for name, _, text in lines if name not in _NOT_SENT}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return _ours(given)


def _ours(given: dict[str, Any]) -> Call | None:
    texts = [given[name] for name in ("module_fqn", "params", "profile", "zip_data")]
    if not all(isinstance(text, str) for text in texts) or given["extensions"] or given["rlimit_nofile"]:
        return None
    call = Call(*texts)
    return call if call.module.startswith(OURS) and _PROFILE.fullmatch(call.profile) else None


def carry_out(call: Call, descriptor: int) -> tuple[int, bytes, bytes]:
    """Return (exit code, output, errors) of a call; OSError when the interpreter did not carry it out."""
    request = call.request()
    answer = _ask(descriptor, request)
    if answer == {"unknown": request["code"]}:
        answer = _ask(descriptor, {**request, "files": call.files})
    code, out, err = (answer.get(name) for name in ("code", "out", "err"))
    if type(code) is not int or not isinstance(out, str) or not isinstance(err, str):
        raise frames.Broken("the answer is none")
    return code, _bytes(out), _bytes(err)


def _ask(descriptor: int, request: dict[str, Any]) -> dict[str, Any]:
    number = secrets.token_hex(8)  # an answer to somebody who was ended is not taken for ours
    frames.send(descriptor, {**request, "number": number})
    answer = frames.receive(descriptor)
    if answer is None or answer.pop("number", None) != number:
        raise frames.Broken("the interpreter has ended, or speaks of something else")
    return answer


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
