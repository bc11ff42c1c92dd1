# SPDX-License-Identifier: Apache-2.0
"""The three daemons of a mail node: where their files lie, how they check them, and what shows that they run."""

from __future__ import annotations

import functools
import glob
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping

from ansible_collections.tenantry.hosting.plugins.module_utils import unchanged
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

POSTFIX_MAPS = "/etc/postfix/tenantry"
_TABLES = {
    "virtual_mailbox_domains": "domains",
    "virtual_mailbox_maps": "mailboxes",
    "virtual_alias_maps": "aliases",
    "smtpd_sender_login_maps": "senders",
}
_NOT_INSTALLED = 127


class Daemon:
    """One daemon; ``unit`` is what runs it and ``switch`` what starts it at boot.

    ``reads`` is everything that a slow checker of it reads; empty where checking costs little.
    """

    def __init__(
        self,
        name: str,
        complaint: Callable[[str], str],
        listens: tuple[int | str, ...],
        unit: str | None = None,
        reads: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.tree = f"/etc/{name}"
        self.complaint = complaint
        self.listens = listens
        self.switch = f"{name}.service"
        self.unit = unit or self.switch
        self.reads = reads

    def owns(self, path: str) -> bool:
        """Whether the daemon reads this file, so that it has to be told about a change."""
        return path.startswith((self.tree + "/", f"/etc/systemd/system/{self.name}.service.d/"))

    def deaf(self) -> str:
        """Return what does not answer, empty when all does."""
        refused = [str(place) for place in self.listens if not _answers(place)]
        return f"{self.name} does not answer on {', '.join(refused)}" if refused else ""


def _postfix(tree: str) -> str:
    for option in ("-n", "-M"):
        code, output = Step.probe(["postconf", "-c", tree, option])
        wrong = [line for line in output.splitlines() if line.startswith(("postconf: fatal:", "postconf: warning:"))]
        wrong = [line for line in wrong if "unused parameter" not in line]
        if code == _NOT_INSTALLED:
            return ""
        if code != 0 or wrong:
            return tail("\n".join(wrong) or output)
    return ""


def _dovecot(tree: str) -> str:
    code, output = Step.probe(["doveconf", "-n", "-c", os.path.join(tree, "dovecot.conf")])
    return "" if code in (0, _NOT_INSTALLED) else tail(output, 2)


def _rspamd(tree: str) -> str:
    with tempfile.TemporaryDirectory(prefix="tenantry-mail-") as cache:
        _link_patterns(cache)
        roots = [f"--var={name}={tree}" for name in ("CONFDIR", "LOCAL_CONFDIR")]
        argv = ["rspamadm", *roots, f"--var=DBDIR={cache}", "configtest", "-c", os.path.join(tree, "rspamd.conf")]
        code, output = Step.probe(argv)
    return "" if code in (0, _NOT_INSTALLED) else tail(output, 2)


def _link_patterns(cache: str) -> None:
    """Give the checker rspamd's compiled patterns, in a folder of its own: root's files would be in rspamd's way."""
    for path in glob.glob("/var/lib/rspamd/*.hs*"):
        os.symlink(path, os.path.join(cache, os.path.basename(path)))


# In the order in which they are reloaded: what Postfix hands mail to comes first.
DAEMONS = {
    "rspamd": Daemon(
        "rspamd",
        _rspamd,
        ("/run/rspamd/milter.sock", "/run/rspamd/controller.sock"),
        reads=("/etc/rspamd", "/usr/share/rspamd", "/usr/bin/rspamadm"),
    ),
    "dovecot": Daemon(
        "dovecot",
        _dovecot,
        (143, 993, *(f"/var/spool/postfix/private/{name}" for name in ("auth", "dovecot-lmtp", "quota-status"))),
    ),
    "postfix": Daemon(
        "postfix", _postfix, (25, 587, 465), "postfix@-.service", reads=("/etc/postfix", "/usr/sbin/postconf")
    ),
}


def _answers(place: int | str) -> bool:
    family = socket.AF_INET if isinstance(place, int) else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(("127.0.0.1", place) if isinstance(place, int) else place)
        except OSError:
            return False
    return True


def wait_until_heard(daemon: Daemon, seconds: float) -> str:
    """Return an empty text as soon as everything of the daemon answers, what is deaf after ``seconds`` or its end."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while (deaf := daemon.deaf()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.2, 1.0)
        if Step.probe(["systemctl", "is-failed", "--quiet", daemon.unit])[0] == 0:
            break
    return deaf


def staged_complaint(daemon: Daemon, files: Mapping[str, str]) -> str:
    """Return what the daemon's own checker says of its live tree with these files in it, empty when it is content."""
    with tempfile.TemporaryDirectory(prefix="tenantry-mail-") as directory:
        tree = os.path.join(directory, daemon.name)
        if os.path.isdir(daemon.tree):
            shutil.copytree(daemon.tree, tree, symlinks=True)
        for path, content in files.items():
            if path.startswith(daemon.tree + "/"):
                # Files name each other by absolute paths: in the copy they mean the copy.
                _put(tree + path[len(daemon.tree) :], content.replace(daemon.tree + "/", tree + "/"))
        return daemon.complaint(tree)


def _put(path: str, content: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(content)


def require_sound(step: Step, *names: str) -> None:
    """End the step when a daemon's live configuration is broken, or no longer reads our tables.

    Check mode leaves no note of what was found sound.
    """
    for name in names:
        reads, check = DAEMONS[name].reads, functools.partial(_require_sound, name)
        if reads:
            unchanged.require(name, reads, check, step.check_mode)
        else:
            check()
    if "postfix" in names:
        _require_tables()


def _require_sound(name: str) -> None:
    daemon = DAEMONS[name]
    if complaint := daemon.complaint(daemon.tree):
        raise StepFailed("config_broken", f"{name}'s configuration on this node is broken: {complaint}")


def _require_tables() -> None:
    code, output = Step.probe(["postconf", *_TABLES, "smtpd_recipient_restrictions"])
    if code == _NOT_INSTALLED:
        raise StepFailed("missing_software", "Postfix is not installed; run server.prepare with the mail role")
    lines = output.splitlines()
    for parameter, table in _TABLES.items():
        if f"{parameter} = proxy:sqlite:{POSTFIX_MAPS}/{table}.cf" not in lines:
            raise StepFailed("config_broken", f"main.cf: {parameter} is not our table; run server.prepare")
    if f"proxy:sqlite:{POSTFIX_MAPS}/suspended.cf" not in output:
        raise StepFailed("config_broken", "main.cf does not ask our table of suspensions; run server.prepare")


def own_names() -> set[str]:
    """Return the domains that Postfix takes for the node's own."""
    _, output = Step.probe(["postconf", "-xh", "mydestination", "myhostname"])
    return {name.strip().lower() for name in output.replace(",", " ").split()}
