# SPDX-License-Identifier: Apache-2.0
"""What has to lie on a mail node before its daemons start: directories, lookup tables, a placeholder certificate."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import files, mail_store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?\n-----END \1-----\n", re.DOTALL)
_PLACEHOLDER = "placeholder"


def directories(step: Step, wanted: Sequence[dict[str, Any]]) -> None:
    """Ensure the directories in their order, parents first."""
    for one in wanted:
        step.directory(one["path"], int(one["mode"], 8), one["owner"], one["group"])


def tables(step: Step, directory: str) -> None:
    """Ensure the lookup tables; what is there is kept, and a commit that a crash cut short is rolled back."""
    for name, group in mail_store.FILES.items():
        path = mail_store.path_of(directory, name)
        if os.path.exists(path):
            _upgrade(step, path, name)
            if not step.check_mode:
                mail_store.recover(path, name)
        else:
            step.note(path, "", "new table\n")
            if not step.check_mode:
                _create_table(path, name, group)
        _protect(step, path, group)


def _upgrade(step: Step, path: str, name: str) -> None:
    """Bring a table of an older version to ours. It is committed at once; the daemons read either version."""
    if (version := mail_store.version_of(path)) >= mail_store.SCHEMA_VERSION:
        return
    step.note(path, "version %d\n" % version, "version %d\n" % mail_store.SCHEMA_VERSION)
    if not step.check_mode:
        mail_store.upgrade(path, name)


def selectors(step: Step, directory: str) -> None:
    """Ensure that there is a map of DKIM selectors, empty at first, so that it need not come and go with a domain."""
    path = os.path.join(directory, "selectors.map")
    if files.read_state(path, limit=0).content is None:
        step.file(path, "", 0o640, 0, "_rspamd")


def _create_table(path: str, name: str, group: str) -> None:
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path), prefix=".new-") as folder:
        fresh = os.path.join(folder, name)
        mail_store.create(fresh, name)
        os.chown(fresh, *files.ids(0, group))
        os.chmod(fresh, 0o640)
        os.rename(fresh, path)


def _protect(step: Step, path: str, group: str) -> None:
    """Ensure that root alone writes the table and its daemon alone reads it."""
    state = files.read_state(path, limit=0)
    if state.content is None:
        return
    try:
        uid, gid = files.ids(0, group)
    except KeyError as error:
        raise StepFailed("missing_software", f"this node has no group {error}") from None
    if (state.mode, state.uid, state.gid) == (0o640, uid, gid):
        return
    step.note(path, "%04o %d:%d\n" % (state.mode, state.uid, state.gid), "0640 %d:%d\n" % (uid, gid))
    if not step.check_mode:
        os.chown(path, uid, gid, follow_symlinks=False)
        os.chmod(path, 0o640)


def placeholder(step: Step, hostname: str, link: str) -> None:
    """Ensure that ``link`` leads to a certificate: a self-signed one as long as there is no other."""
    folder = os.path.join(os.path.dirname(link), _PLACEHOLDER)
    pair = [os.path.join(folder, name) for name in ("key.pem", "fullchain.pem")]
    if not all(os.path.exists(path) for path in pair):
        step.note(folder, "", f"self-signed certificate for {hostname}\n")
        if not step.check_mode:
            _make_pair(step, hostname, *pair)
    if not os.path.lexists(link):
        step.note(link, "", f"-> {_PLACEHOLDER}\n")
        if not step.check_mode:
            os.symlink(_PLACEHOLDER, link)


def _make_pair(step: Step, hostname: str, key_path: str, chain_path: str) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "3650"]
    name = ["-subj", "/CN=placeholder", "-addext", f"subjectAltName=DNS:{hostname}"]
    code, output = step.probe(["openssl", "req", "-x509", *curve, *name, "-keyout", "-", "-out", "-"])
    found = {match[1]: match[0] for match in _PEM.finditer(output)}
    if code != 0 or not {"PRIVATE KEY", "CERTIFICATE"} <= set(found):
        raise StepFailed("command", "openssl req made no certificate (exit %d)" % code)
    files.replace_file(key_path, found["PRIVATE KEY"].encode(), 0o600)
    files.replace_file(chain_path, found["CERTIFICATE"].encode(), 0o644)
