"""ansible's SSH connection, which lets a waiting interpreter on the server run our modules.

The interpreter is lent to the attempt as an open file. Where there is none, where the command is anything but one of our modules
as root, and whenever the interpreter does not answer as it should, the command goes over SSH as ansible itself does it. A server
that could not be reached for one job of a run is not waited for again for each of the others.
"""

from __future__ import annotations

import contextlib
import os
import socket

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ssh

from orchestrator.execute.node import call as calls

_away: list[str] = []  # why the server of this process, which has only one, could not be reached
DOCUMENTATION = ssh.DOCUMENTATION.replace("name: ssh", "name: tenantry_ssh", 1)


class Connection(ssh.Connection):  # type: ignore[misc]  # ansible has no type information
    """SSH as it is in ansible, but for the calls that an interpreter takes."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command on the server and return its exit code, output and errors."""
        lent = os.environ.get(calls.LENT)
        call = calls.recognise(cmd, in_data) if lent else None
        if lent and call:
            with contextlib.suppress(OSError):
                return _carry_out(call, int(lent))
        if _away:
            raise AnsibleConnectionFailure(_away[0])
        try:
            answer: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        except AnsibleConnectionFailure as error:
            _away.append(str(error))
            raise
        return answer


def _carry_out(call: calls.Call, descriptor: int) -> tuple[int, bytes, bytes]:
    """Let the interpreter run a module; whatever goes wrong ends the loan, which its owner sees."""
    try:
        return calls.carry_out(call, descriptor)
    except BaseException:
        os.environ.pop(calls.LENT, None)
        with socket.socket(fileno=os.dup(descriptor)) as channel, contextlib.suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)
        raise
