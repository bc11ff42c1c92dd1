#!/usr/bin/python3
"""Ask a mail daemon's own checker about one new configuration file before it goes live.

    validate postfix|dovecot|rspamd CANDIDATE PATH_IN_THE_TREE

The live tree is copied, the candidate is put in its place in the copy, and the copy is checked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

TREES = {"postfix": "/etc/postfix", "dovecot": "/etc/dovecot", "rspamd": "/etc/rspamd"}


def commands(daemon: str, tree: str) -> list[list[str]]:
    """The checks of a staged tree; each has to succeed without a warning we know to be fatal later."""
    if daemon == "postfix":
        return [["postconf", "-c", tree, "-n"], ["postconf", "-c", tree, "-M"], ["postfix", "-c", tree, "check"]]
    if daemon == "dovecot":
        return [["doveconf", "-n", "-c", os.path.join(tree, "dovecot.conf")]]
    roots = [f"--var={name}={tree}" for name in ("CONFDIR", "LOCAL_CONFDIR")]
    return [["rspamadm", *roots, "configtest", "-c", os.path.join(tree, "rspamd.conf")]]


def passes(argv: list[str]) -> bool:
    """Run one check and show what it complains about."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "warning:" in line or "fatal:" in line]
    if (argv[0] == "postconf" and complaints) or done.returncode != 0:
        print("\n".join(complaints or (done.stderr or done.stdout).splitlines()[-5:]), file=sys.stderr)
        return False
    return True


def main(daemon: str, candidate: str, place: str) -> int:
    """Return 0 when the tree with the candidate in it is fit for use."""
    with tempfile.TemporaryDirectory(prefix="tenantry-validate-") as directory:
        tree = os.path.join(directory, daemon)
        shutil.copytree(TREES[daemon], tree, symlinks=True)
        target = os.path.join(tree, place)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(candidate, target)
        return 0 if all(passes(argv) for argv in commands(daemon, tree)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
