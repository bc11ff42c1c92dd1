# SPDX-License-Identifier: Apache-2.0
"""The folder of a site's certificate and whose it is: it outlives the site's own file for a moment.

A site shows the node's placeholder until a certificate of its own is installed: a folder with key and chain, one link
that leads to it, one reload, and handshakes for every name that have to show it. What does not is put back.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
from collections.abc import Callable, Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    certificate_files,
    files,
    tls_served,
    web_account,
    web_links,
    web_nginx,
    web_probe,
    web_render,
    web_sites,
    web_swap,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.certificate_pair import Pair
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

PLACEHOLDER = "/etc/tenantry/tls/node/web/placeholder"


def folder(domain: str) -> str:
    """Return where a domain's certificate lies."""
    return f"{web_account.CERTIFICATES}/{domain}"


def ensure(step: Step, domain: str, username: str, owner: str) -> str:
    """Ensure the folder with a certificate of whatever kind; return "placeholder" or "own"."""
    step.directory(folder(domain), 0o700)
    step.file(_about_path(domain), web_account.dump({"owner": owner, "username": username}), 0o600)
    if step.check_mode and files.directory_state(folder(domain)) is None:
        return "placeholder"
    target = web_links.ensure_some(step, f"{folder(domain)}/current", PLACEHOLDER)
    return "placeholder" if target == PLACEHOLDER else "own"


def _about_path(domain: str) -> str:
    return f"{folder(domain)}/owner.json"


def _about(domain: str) -> dict[str, str]:
    try:
        found = json.loads(files.read_state(_about_path(domain)).content or b"{}")
    except ValueError:
        return {}
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def of_user(username: str) -> list[str]:
    """Return the domains whose folders are the account's."""
    try:
        found = sorted(os.listdir(web_account.CERTIFICATES))
    except FileNotFoundError:
        return []
    return [domain for domain in found if _about(domain).get("username") == username]


def remove(step: Step, domain: str, username: str, owner: str) -> None:
    """Ensure that the account's folder for a domain is gone; somebody else's is left alone."""
    if files.directory_state(folder(domain)) is None:
        return
    about = _about(domain)
    holder = about.get("owner", "")
    if about.get("username", username) != username or web_account.is_foreign(holder, owner):
        step.warnings.append(f"left alone: the certificate of {domain} belongs to {holder or 'another account'}")
        return
    step.note(folder(domain) + "/", "(secret)\n", "")
    if not step.check_mode:
        _remove_folder(domain)


def _remove_folder(domain: str) -> None:
    """Remove what root has put there; who owned it goes last, so that a run that died is taken up."""
    for name in sorted(os.listdir(folder(domain)), key=lambda name: f"{folder(domain)}/{name}" == _about_path(domain)):
        path = f"{folder(domain)}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    os.rmdir(folder(domain))


def install(step: Step, domain: str, owner: str, names: Sequence[str], pair: Pair, redirect: bool) -> None:
    """Ensure that nginx shows the pair for these names of the site; the last good one stays until this one is seen."""
    home, in_use = folder(domain), web_links.read(f"{folder(domain)}/{certificate_files.LINK}")
    if step.check_mode and files.directory_state(home) is None:
        step.note(home + "/", "", "0700 0:0\n")
    version = certificate_files.write(step, home, pair)
    text, mark = web_render.https_snippet(domain, owner, names) if redirect else (None, "")
    try:
        _switch(
            step,
            domain,
            version,
            text,
            lambda: _https_marks(domain) == ([mark] if mark else []) and _shows(names, pair.leaf),
        )
    except (StepFailed, OSError):
        certificate_files.discard(step, home, version, in_use)
        raise
    certificate_files.tidy(step, home, version)
    certificate_files.sweep(step, web_sites.https_path(domain))


def uninstall(step: Step, domain: str) -> None:
    """Ensure that the site shows the node's placeholder and sends nobody to HTTPS."""
    with open(f"{PLACEHOLDER}/{certificate_files.CHAIN}", encoding="ascii") as file:
        leaf = ssl.PEM_cert_to_DER_cert(file.read())
    _switch(step, domain, PLACEHOLDER, None, lambda: _https_marks(domain) == [] and _shows([domain], leaf))
    certificate_files.tidy(step, folder(domain))
    certificate_files.sweep(step, web_sites.https_path(domain))


def _switch(step: Step, domain: str, target: str, redirect: str | None, loaded: Callable[[], bool]) -> None:
    """Let the site's link lead elsewhere in the running nginx, tested before as if it did already."""
    site = web_sites.path_of(domain)
    text = (files.read_state(site).content or b"").decode("utf-8", "replace")
    link = f"{folder(domain)}/{certificate_files.LINK}"
    goal = target if target.startswith("/") else f"{folder(domain)}/{target}"
    staged = {site: text.replace(f"{link}/", f"{goal}/")} if text else {}
    wanted = {web_sites.https_path(domain): redirect}
    web_nginx.apply(step, wanted, loaded, link=web_swap.Link(link, target, staged))


def _shows(names: Sequence[str], leaf: bytes) -> bool:
    return all(tls_served.leaf(name, 443) == leaf for name in names)


def _https_marks(domain: str) -> list[str]:
    """Return by which of our files the running nginx sends requests for the site to HTTPS: one or none."""
    return [word for word in web_probe.loaded_marks(domain) if word.startswith(web_render.HTTPS_WORD)]
