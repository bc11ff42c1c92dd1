# SPDX-License-Identifier: Apache-2.0
"""DKIM keys: made on the node, kept there, and named to rspamd by a map that is written from the lookup tables."""

from __future__ import annotations

import os
import re

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_store import Store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

READER = "_rspamd"
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)-----END PUBLIC KEY-----")
_KEY_SECONDS = 60.0


def path_of(directory: str, domain: str, selector: str) -> str:
    """Return where the key of a domain and selector lies."""
    return os.path.join(directory, domain, selector + ".key")


def ensure_key(step: Step, directory: str, domain: str, selector: str, bits: int) -> str:
    """Ensure the private key and return the public one (base64 of its DER form), empty while there is none."""
    path = path_of(directory, domain, selector)
    there = files.read_state(path).content
    key = "" if there is None else there.decode("ascii", "replace")
    public = _public_key(step, key)
    if not public:  # none, or one that is damaged and of no use to anybody
        if step.check_mode:
            step.note(path, "(damaged)\n" if key else "", "(secret, new, %d bits)\n" % bits)
            return ""
        key = _new_key(step, bits)
        public = _public_key(step, key)
    step.directory(os.path.dirname(path), 0o750, 0, READER)
    step.file(path, key, 0o640, 0, READER, secret=True)
    return public


def _new_key(step: Step, bits: int) -> str:
    argv = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:%d" % bits]
    code, output = step.probe(argv, timeout=_KEY_SECONDS)
    begin, end = output.find("-----BEGIN PRIVATE KEY-----"), output.find("-----END PRIVATE KEY-----")
    if code != 0 or not 0 <= begin < end:
        raise StepFailed("command", "openssl genpkey made no key (exit %d)" % code)
    return output[begin:end] + "-----END PRIVATE KEY-----\n"


def _public_key(step: Step, key: str) -> str:
    if not key:
        return ""
    code, output = step.probe(["openssl", "pkey", "-pubout"], stdin=key)
    found = _PUBLIC.search(output)
    return found[1].replace("\n", "") if code == 0 and found is not None else ""


def write_selectors(step: Step, store: Store, path: str, domain: str, selector: str | None) -> None:
    """Write which selector each domain signs with. The caller holds the tables' transaction, so no line gets lost."""
    rows = store.select("SELECT domain, dkim_selector FROM main.domains WHERE dkim_selector IS NOT NULL")
    wanted = {row["domain"]: row["dkim_selector"] for row in rows}
    wanted.pop(domain, None)
    if selector is not None:
        wanted[domain] = selector
    text = "".join(f"{name} {wanted[name]}\n" for name in sorted(wanted)).encode()
    now = files.read_state(path)
    try:
        uid, gid = files.ids(0, READER)
    except KeyError as error:
        raise StepFailed("missing_software", f"this node has no group {error}; run server.prepare") from None
    if (now.content, now.mode, now.uid, now.gid) == (text, 0o640, uid, gid):
        return
    step.note(path, "", f"{domain} {selector}\n")  # the neighbours' lines are not for this service's log
    if not step.check_mode:
        files.replace_file(path, text, 0o640, uid, gid)
