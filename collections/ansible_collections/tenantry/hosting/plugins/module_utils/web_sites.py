# SPDX-License-Identifier: Apache-2.0
"""The sites that nginx serves on this node: who has which name. The vhost files themselves are the register."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    files,
    web_account,
    web_nginx,
    web_probe,
    web_render,
    web_swap,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_SERVER_NAME = re.compile(r"(?<![\w$.-])server_name\s+([^;]*);")
_COMMENT = re.compile(r"#.*")
_FOLDERS = (web_nginx.SITES, f"{web_nginx.ROOT}/conf.d")


class Site:
    """One file with server blocks. ``about`` is None where it is not ours."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.domain = os.path.basename(path).removesuffix(".conf")
        self.about: dict[str, Any] | None = web_render.parse_header(text)
        self.names = [name.lower() for found in _SERVER_NAME.findall(_COMMENT.sub("", text)) for name in found.split()]


def path_of(domain: str) -> str:
    """Return where the vhost of a domain lies."""
    return f"{web_nginx.SITES}/{domain}.conf"


def https_path(domain: str) -> str:
    """Return where it lies that a domain's requests in clear are sent to HTTPS."""
    return f"{web_nginx.TREE}/https/{domain}.conf"


def every() -> Iterator[Site]:
    """Yield every site of this node, an administrator's own ones too."""
    for folder in _FOLDERS:
        try:
            found = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        for name in found:
            if name.endswith(".conf"):
                path = f"{folder}/{name}"
                yield Site(path, (files.read_state(path).content or b"").decode("utf-8", "replace"))


def of_user(username: str) -> list[Site]:
    """Return the account's sites."""
    return [site for site in every() if site.about and site.about.get("username") == username]


def require_free(domain: str, names: Sequence[str], username: str, owner: str) -> str:
    """Refuse names that another site has and a domain that another account has; return whose the domain is."""
    recorded = ""
    for site in every():
        if site.path == path_of(domain):
            recorded = _own(site, domain, username)
        elif taken := sorted(set(names) & set(site.names)):
            holder = (site.about or {}).get("owner") or os.path.basename(site.path)
            raise StepFailed(
                "conflict", f"{taken[0]} is served by another site already ({holder}); nothing was changed"
            )
    return web_account.require_owner(domain, recorded, owner)


def _own(site: Site, domain: str, username: str) -> str:
    if site.about is None or site.about.get("username") != username:
        holder = (site.about or {}).get("owner") or "somebody's own file"
        raise StepFailed("conflict", f"{domain} belongs to another account ({holder}); nothing was changed")
    return str(site.about.get("owner", ""))


def withdraw(step: Step, username: str, domains: Iterable[str], more: Iterable[str] = ()) -> None:
    """Ensure that nginx serves none of these domains of the account; with its last one its other files go as well.

    ``more`` are further files of the account that go with them.
    """
    gone = list(domains)
    wanted: dict[str, str | None] = {**{path_of(domain): None for domain in gone}, **dict.fromkeys(more)}
    wanted |= dict.fromkeys(https_path(domain) for domain in gone)
    if all(site.path in wanted for site in of_user(username)):
        wanted |= {f"{web_nginx.TREE}/{part}/{username}.conf": None for part in ("php", "proxy")}
    web_nginx.apply(step, wanted, lambda: not any(_is_served(domain, wanted) for domain in gone))


def _is_served(domain: str, wanted: web_swap.Wanted) -> bool:
    """Whether the running nginx still has the site; a name that another site has by now is that site's affair."""
    if web_render.SITE_WORD not in web_probe.loaded_marks(domain):
        return False
    return not any(domain in site.names for site in every() if site.path not in wanted)
