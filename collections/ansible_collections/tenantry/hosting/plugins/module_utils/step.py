# SPDX-License-Identifier: Apache-2.0
"""The frame of every module: arguments, guard, check mode, diff, result, and failures that name a reason.

A module builds a ``Step``, calls ``step.run(main)`` and, inside ``main(step)``, uses ``step.file``, ``step.directory``,
``step.absent``, ``step.command`` and ``step.facts``. What would change is noted the same way in check mode, where
nothing is done.

Reasons of a failure (``reason`` in the result), on which the orchestrator decides what happens next:
``invalid`` bad input · ``conflict`` the object belongs to somebody else · ``missing_software`` the node is not prepared ·
``config_broken`` the node's live configuration was broken before we came · ``rejected`` the staged configuration did not pass ·
``probe`` the change was made but does not work, and was undone · ``command`` a program failed or took too long ·
``fenced`` overtaken by a newer attempt · ``busy`` another attempt holds the lock · ``unsafe_path`` a link where none may be ·
``disk_full``.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.tenantry.hosting.plugins.module_utils import fence, files

FENCE_SPEC = {
    "type": "dict",
    "options": {
        "service": {"type": "int", "required": True},
        "generation": {"type": "int", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "token": {"type": "int", "required": True, "no_log": False},
    },
}


class StepFailed(Exception):
    """A failure with a reason of the vocabulary above and one sentence for people."""

    def __init__(self, reason: str, message: str, **evidence: Any) -> None:
        super().__init__(message)
        self.reason = reason
        self.evidence = evidence


class Step:
    """One run of one module on one node."""

    def __init__(self, argument_spec: dict[str, Any], **options: Any) -> None:
        spec = dict(argument_spec, fence=FENCE_SPEC, reload_seconds={"type": "float", "default": 2.0})
        self.module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **options)
        self.params: dict[str, Any] = self.module.params
        self.check_mode: bool = self.module.check_mode
        self.changed = False
        self.facts: dict[str, Any] = {}
        self.usage: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.diffs: list[dict[str, str]] = []

    def run(self, main: Callable[[Step], None]) -> NoReturn:
        """Run ``main`` under the guard and leave with its result."""
        try:
            with fence.guard(self.params["fence"], self.check_mode):
                main(self)
        except StepFailed as failure:
            self._fail(failure.reason, str(failure), **failure.evidence)
        except fence.Fenced as failure:
            self._fail("fenced", str(failure))
        except fence.Busy as failure:
            self._fail("busy", str(failure))
        except files.UnsafePath as failure:
            self._fail("unsafe_path", str(failure))
        except OSError as failure:
            self._fail("disk_full" if failure.errno in (errno.ENOSPC, errno.EDQUOT) else "command", str(failure))
        self.module.exit_json(
            changed=self.changed, facts=self.facts, usage=self.usage, step_warnings=self.warnings, diff=self.diffs
        )

    def _fail(self, reason: str, message: str, **evidence: Any) -> NoReturn:
        self.module.fail_json(msg=message[:2000], reason=reason, changed=self.changed, diff=self.diffs, **evidence)

    def note(self, header: str, before: str = "", after: str = "") -> None:
        """Record that something changes; ``before`` and ``after`` are shown by --diff and must hold no secret."""
        self.changed = True
        self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})

    def file(
        self,
        path: str,
        content: str | bytes,
        mode: int = 0o644,
        owner: str | int = 0,
        group: str | int = 0,
        secret: bool = False,
    ) -> bool:
        """Ensure a root-managed file; True when it differs (and, outside check mode, was replaced)."""
        wanted = content.encode() if isinstance(content, str) else content
        now = files.read_state(path)
        uid, gid = self._ids(owner, group)
        if now.content == wanted and (now.mode, now.uid, now.gid) == (mode, uid, gid):
            return False
        if secret:
            self.note(path, "(secret)\n" if now.content is not None else "", "(secret, new)\n")
        else:
            self.note(path, self._shown(now), self._shown(files.FileState(wanted, mode, uid, gid)))
        if not self.check_mode:
            files.replace_file(path, wanted, mode, uid, gid)
        return True

    @staticmethod
    def _shown(state: files.FileState) -> str:
        if state.content is None:
            return ""
        return "# %04o %d:%d\n%s" % (
            state.mode,
            state.uid,
            state.gid,
            state.content.decode("utf-8", "replace"),
        )

    def directory(self, path: str, mode: int = 0o755, owner: str | int = 0, group: str | int = 0) -> bool:
        """Ensure a real directory with this owner and mode; parents must exist (or be made in the same step)."""
        now = files.directory_state(path)
        uid, gid = self._ids(owner, group)
        if now is not None and (now.mode, now.uid, now.gid) == (mode, uid, gid):
            return False
        before = "" if now is None else "%04o %d:%d\n" % (now.mode, now.uid, now.gid)
        self.note(path + "/", before, "%04o %d:%d\n" % (mode, uid, gid))
        if not self.check_mode:
            files.make_directory(path, mode, uid, gid)
        return True

    def absent(self, path: str) -> bool:
        """Ensure that no file lies at ``path``."""
        now = files.read_state(path)
        if now.content is None:
            return False
        self.note(path, self._shown(now), "")
        if not self.check_mode:
            files.remove_file(path)
        return True

    def _ids(self, owner: str | int, group: str | int) -> tuple[int, int]:
        try:
            return files.ids(owner, group)
        except KeyError as error:
            if self.check_mode:
                return -1, -1  # on a node that is not prepared yet the user is still to come
            raise StepFailed("missing_software", f"this node has no such user or group: {error}") from None

    def command(
        self,
        argv: list[str],
        stdin: str | None = None,
        timeout: float = 30.0,
        reason: str = "command",
        accept: tuple[int, ...] = (0,),
    ) -> str:
        """Run a program and return its output; a refused exit code or a time-out ends the step with ``reason``."""
        code, output = self.probe(argv, stdin, timeout)
        if code not in accept:
            raise StepFailed(reason, "%s failed (exit %d): %s" % (" ".join(argv[:3]), code, tail(output)))
        return output

    @staticmethod
    def probe(argv: list[str], stdin: str | None = None, timeout: float = 30.0) -> tuple[int, str]:
        """Run a program and return (exit code, output with errors); 127 when it is not installed."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                argv,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                env=environment,
                errors="replace",
                check=False,
                stdin=None if stdin is not None else subprocess.DEVNULL,
            )
        except FileNotFoundError:
            return 127, f"{argv[0]} is not installed"
        except subprocess.TimeoutExpired:
            raise StepFailed("command", "%s did not finish within %d s" % (" ".join(argv[:3]), timeout)) from None
        return done.returncode, done.stdout + done.stderr


def tail(output: str, lines: int = 6, width: int = 300) -> str:
    """Return the last lines of a program's output, short enough for a message."""
    kept = [line.strip()[:width] for line in output.strip().splitlines() if line.strip()]
    return " | ".join(kept[-lines:]) or "no output"
