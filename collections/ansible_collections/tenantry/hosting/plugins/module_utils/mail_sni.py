# SPDX-License-Identifier: Apache-2.0
"""The table from which Postfix takes the certificate for the name a client asks for (postconf(5), tls_server_sni_maps).

``postmap -F`` puts keys and chains themselves into the table, so it is made anew whenever one changes. It is made beside
the live one and renamed over it; Postfix sees that before its next connection, without a reload. smtpd opens the table
before it gives up root, so nobody else needs to read it.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import certificate_files, files, web_links
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_daemons import POSTFIX_MAPS
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

ROOT = "/etc/tenantry/tls/mail"
TABLE = f"{POSTFIX_MAPS}/sni.db"
_NEW = f"{POSTFIX_MAPS}/.sni-new"
_POSTMAP = ["postmap", "-c", _NEW]
_SECONDS = 60.0


def folder(domain: str) -> str:
    """Return where the certificates of a mail domain lie."""
    return f"{ROOT}/{domain}"


def about_path(domain: str) -> str:
    """Return where it lies whose a domain's certificate is, and for which names."""
    return f"{folder(domain)}/owner.json"


def about(domain: str) -> dict[str, Any] | None:
    """Return {"owner": text, "names": list of texts} of a domain's certificate, None when there is none."""
    content = files.read_state(about_path(domain)).content
    if content is None:
        return None
    try:
        found = json.loads(content)
        return {"owner": str(found["owner"]), "names": [str(name) for name in found["names"]]}
    except (ValueError, KeyError, TypeError):
        where = about_path(domain)
        raise StepFailed(
            "config_broken", f"{where} cannot be read; remove it and deploy the certificate again"
        ) from None


def domains() -> list[str]:
    """Return the mail domains of which a certificate lies here."""
    return sorted(os.listdir(ROOT)) if files.directory_state(ROOT) is not None else []


def ensure(step: Step, without: str = "") -> None:
    """Ensure that the table holds every installed certificate, less those of the domain ``without``."""
    if step.check_mode:
        if not os.path.exists(TABLE):
            step.note(TABLE, "", "(secret, new table)\n")
        return
    if os.path.lexists(_NEW):
        shutil.rmtree(_NEW)  # the caller holds the lock: a killed run left it
    os.mkdir(_NEW, 0o700)
    try:
        files.replace_file(
            f"{_NEW}/main.cf", b"compatibility_level = 3.6\n", 0o600
        )  # the node's may be broken just now
        files.replace_file(f"{_NEW}/sni", _source(without).encode(), 0o600)
        step.command(
            [*_POSTMAP, "-F", f"hash:{_NEW}/sni"], timeout=_SECONDS, reason="config_broken"
        )  # it names files only
        if _content(f"{_NEW}/sni") == _content(TABLE[:-3]) and _is_protected():
            return
        step.note(TABLE, "(secret)\n" if os.path.exists(TABLE) else "", "(secret, new)\n")
        os.rename(f"{_NEW}/sni.db", TABLE)
    finally:
        shutil.rmtree(_NEW)


def identity() -> int:
    """Return a number that changes when the table is replaced, 0 when there is none."""
    return os.stat(TABLE).st_ino if os.path.exists(TABLE) else 0


def _is_protected() -> bool:
    status = os.stat(TABLE)
    return (status.st_mode & 0o777, status.st_uid) == (0o600, 0)


def _source(without: str) -> str:
    """Return one line for each name: the name and the files whose contents belong to it, the key first."""
    lines = []
    for domain in domains():
        found, version = about(domain), web_links.read(f"{folder(domain)}/{certificate_files.LINK}")
        if found is None or not version or domain == without:
            continue
        pair = ", ".join(
            f"{folder(domain)}/{version}/{name}" for name in (certificate_files.KEY, certificate_files.CHAIN)
        )
        lines += [f"{name} {pair}\n" for name in found["names"]]
    return "".join(lines)


def _content(table: str) -> list[str] | None:
    """Return what a table holds, None when there is none; it is secret."""
    if not os.path.exists(f"{table}.db"):
        return None
    code, output = Step.probe([*_POSTMAP, "-s", f"hash:{table}"], timeout=_SECONDS)
    return sorted(output.splitlines()) if code == 0 else None
