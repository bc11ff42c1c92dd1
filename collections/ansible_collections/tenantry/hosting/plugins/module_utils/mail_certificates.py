# SPDX-License-Identifier: Apache-2.0
"""The certificate of a mail domain's names in the running Postfix and Dovecot.

Dovecot has one file a domain, which names the folder of the pair: renaming it into place is the swap. Postfix has one
table of all. Both are asked for the certificate by handshakes; while it is not shown, the former one comes back.
"""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
import time
from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    certificate_files,
    files,
    mail_apply,
    mail_daemons,
    mail_sni,
    tls_served,
    web_account,
    web_links,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.certificate_pair import Pair
from ansible_collections.tenantry.hosting.plugins.module_utils.mail_sni import about_path, folder
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

BLOCKS = "/etc/tenantry/mail/dovecot.d"
NODE = "/etc/tenantry/tls/node/mail/current"
_DOVECOT, _POSTFIX = (993, 143), (465, 587)
_SECONDS, _PAUSE = 10.0, 0.25
_NOTICE = "# Written by tenantry: changes by hand are overwritten.\n"


def block_path(domain: str) -> str:
    """Return where Dovecot's part lies."""
    return f"{BLOCKS}/{domain}.conf"


def block(domain: str, names: Sequence[str], version: str) -> str:
    """Return Dovecot's part: for these names it shows this pair."""
    home = f"{folder(domain)}/{version}"
    pair = f"  ssl_cert = <{home}/{certificate_files.CHAIN}\n  ssl_key = <{home}/{certificate_files.KEY}\n"
    return _NOTICE + "".join(f"local_name {name} {{\n{pair}}}\n" for name in names)


def require_free(domain: str, names: Sequence[str]) -> None:
    """Refuse a name that another domain's certificate is shown for."""
    for other in mail_sni.domains():
        taken = set(names) & set((mail_sni.about(other) or {"names": []})["names"])
        if other != domain and taken:
            raise StepFailed("conflict", f"{min(taken)} has the certificate of {other} here; remove that first")


def install(step: Step, domain: str, owner: str, names: Sequence[str], pair: Pair) -> None:
    """Ensure that both daemons show the pair for these names; the last good one stays until this one is seen."""
    home = folder(domain)
    with mail_apply.alone(step.check_mode):
        require_free(domain, names)
        before = _State(domain)
        step.directory(home, 0o700)
        version = certificate_files.write(step, home, pair)
        text = block(domain, names, version)
        try:
            _require_sound(step, block_path(domain), text)
            step.file(about_path(domain), web_account.dump({"names": list(names), "owner": owner}), 0o600)
            _switch(step, before, version, text, names, pair.leaf)
        except (StepFailed, OSError):
            certificate_files.discard(step, home, version, before.led)
            raise
        certificate_files.tidy(step, home, version)
        certificate_files.sweep(step, block_path(domain))


def _switch(step: Step, before: _State, version: str, text: str, names: Sequence[str], leaf: bytes) -> None:
    """Let both daemons show another pair, or what they showed before."""
    try:
        web_links.point(step, before.link, version)
        step.file(block_path(before.domain), text)
        mail_sni.ensure(step)
        _load(step, names, leaf)
    except (StepFailed, OSError):
        before.put_back(step)
        raise


def remove(step: Step, domain: str, owner: str) -> None:
    """Ensure that the domain's names show the node's own certificate and that its key is gone; another's is left alone."""
    if files.directory_state(folder(domain)) is None:
        return
    found = mail_sni.about(domain) or {"owner": "", "names": []}
    if web_account.is_foreign(found["owner"], owner):
        step.warnings.append(f"left alone: the certificate of {domain} belongs to {found['owner']}")
        return
    with mail_apply.alone(step.check_mode):
        step.absent(block_path(domain))
        mail_sni.ensure(step, without=domain)
        _load(step, found["names"], _node_leaf())
        certificate_files.sweep(step, block_path(domain))
        step.note(folder(domain) + "/", "(secret)\n", "")
        if not step.check_mode:
            for name in sorted(
                os.listdir(folder(domain)), key=lambda name: name == os.path.basename(about_path(domain))
            ):
                path = f"{folder(domain)}/{name}"
                (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
            os.rmdir(folder(domain))


def _node_leaf() -> bytes:
    with open(f"{NODE}/{certificate_files.CHAIN}", encoding="ascii") as file:
        first, end, _ = file.read().partition("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(first + end + "\n")


class _State:
    """What was there before, to be put back."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.link = f"{folder(domain)}/{certificate_files.LINK}"
        self.led = web_links.read(self.link)
        self.table = mail_sni.identity()
        self.files = {path: files.read_state(path) for path in (about_path(domain), block_path(domain))}

    def put_back(self, step: Step) -> None:
        """Let the daemons show what they showed."""
        if step.check_mode:
            return
        for path, state in self.files.items():
            if state.content is None:
                files.remove_file(path)
            else:
                files.replace_file(path, state.content, state.mode, state.uid, state.gid)
        web_links.replace(self.link, self.led)
        _reload()
        if mail_sni.identity() != self.table:
            mail_sni.ensure(step)


def _require_sound(step: Step, path: str, text: str) -> None:
    """Let Dovecot check its whole configuration with our part in it; say whose fault it is when it is refused."""
    if step.check_mode and files.directory_state(BLOCKS) is None:
        return  # on a node that is not prepared yet
    mail_daemons.require_sound(step, "postfix")
    if Step.probe(["postconf", "-h", "tls_server_sni_maps"])[1].strip() != f"hash:{mail_sni.TABLE[:-3]}":
        raise StepFailed("config_broken", "main.cf does not ask our table of certificates; run server.prepare")
    complaint = _complaint({os.path.basename(path): text})
    if not complaint:
        return
    if live := _complaint({}):
        raise StepFailed("config_broken", f"Dovecot's configuration on this node is broken: {live}")
    raise StepFailed("rejected", f"Dovecot does not accept the certificate: {complaint}")


def _complaint(more: dict[str, str]) -> str:
    """Return what Dovecot says of a copy of its tree with these files among the certificates."""
    daemon = mail_daemons.DAEMONS["dovecot"]
    with tempfile.TemporaryDirectory(prefix="tenantry-mail-") as top:
        tree, blocks = f"{top}/dovecot", f"{top}/blocks"
        shutil.copytree(daemon.tree, tree, symlinks=True)
        shutil.copytree(BLOCKS, blocks)
        for name, text in more.items():
            with open(f"{blocks}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        main = f"{tree}/dovecot.conf"
        with open(main, encoding="utf-8") as file:
            staged = file.read().replace(f"{BLOCKS}/", f"{blocks}/").replace(f"{daemon.tree}/", f"{tree}/")
        with open(main, "w", encoding="utf-8") as file:
            file.write(staged)
        return daemon.complaint(tree)


def _load(step: Step, names: Sequence[str], leaf: bytes) -> None:
    """Let Dovecot read its files when they have changed or do not show; then every port has to show the certificate."""
    if step.check_mode or (not step.changed and not _deaf(names, leaf)):
        return
    if not step.changed:
        step.note("dovecot", "", "loads its files again\n")
    _reload()
    deadline = time.monotonic() + _SECONDS
    while deaf := _deaf(names, leaf):
        if time.monotonic() >= deadline:
            raise StepFailed("probe", f"{deaf} does not show the certificate; the former one was put back")
        time.sleep(_PAUSE)


def _reload() -> None:
    code, _ = Step.probe(["systemctl", "reload", mail_daemons.DAEMONS["dovecot"].unit])
    if code != 0:
        raise StepFailed("config_broken", "Dovecot does not run on this node; see `systemctl status dovecot`")


def _deaf(names: Sequence[str], leaf: bytes) -> str:
    """Return where another certificate is shown, empty when it is nowhere.

    Postfix counts a client's connections, and its table is one: it is asked for one name only.
    """
    asked = [(name, port) for name in names for port in _DOVECOT] + [
        (name, port) for name in names[:1] for port in _POSTFIX
    ]
    return next((f"{name}, port {port}," for name, port in asked if tls_served.leaf(name, port) != leaf), "")
