# SPDX-License-Identifier: Apache-2.0
"""Putting a web account to sleep and waking it: nothing of it is changed, everything of it is covered.

The marker comes first and, where nothing more is to be had back, goes first, so that a run that died half way is taken up:
as long as the marker is there everything is put to sleep again; once it is gone everything is woken again.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    daemon,
    web_account,
    web_mariadb,
    web_nginx,
    web_php,
    web_probe,
    web_processes,
    web_render,
    web_sftp_logins,
    web_sites,
    web_suspension,
    web_timers,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

PARTS = {"databases": web_mariadb, "logins": web_sftp_logins, "timers": web_timers}
BEFORE_THE_MARKER = ("databases", "logins")  # what they were is told by the marker alone


def snippet_path(username: str) -> str:
    """Return where nginx finds that the account is suspended."""
    return f"{web_nginx.TREE}/suspended/{username}.conf"


def owner_of(username: str, owner: str) -> str:
    """Return whose the account is; it need not be here yet. Somebody else's is refused."""
    for recorded in (web_account.read(username), web_suspension.read(username)):
        owner = web_account.require_owner(f"the account {username}", (recorded or {}).get("owner", ""), owner)
    return owner


def uid_of(username: str) -> int | None:
    """Return the number of the account's UNIX user, None where it has none yet."""
    user = web_account.user_of(username)
    return user.pw_uid if user else None


def suspend(step: Step, username: str, owner: str, page: str, retry_after: int) -> None:
    """Ensure that nothing of the account answers, runs or lets anybody in."""
    owner = owner_of(username, owner)
    step.directory(web_suspension.PAGES, 0o755)
    step.file(web_suspension.page_path(username), page)
    mark(step, username, owner)
    try:
        hold_sites(step, username, owner, retry_after)
    finally:  # a node whose nginx is broken keeps nobody running
        hold_rest(step, username)


def hold_rest(step: Step, username: str) -> None:
    """Ensure that nothing of the account runs and that nobody gets in beside the sites."""
    with daemon.serialised(f"php-{username}", step.check_mode):
        web_php.stop(step, username)
    for part in PARTS.values():
        part.hold(step, username)
    if (uid := uid_of(username)) is not None:
        web_processes.end_all(step, username, uid)
    web_php.require_stopped(step, username)


def mark(step: Step, username: str, owner: str) -> None:
    """Ensure the marker; what it saves is taken once, before anything is locked, and never again."""
    marker = web_suspension.read(username)
    now = {name: part.state(step, username) for name, part in PARTS.items()} if marker is None else {}
    saved: dict[str, Any] = marker["saved"] if marker else now
    web_suspension.write(step, username, owner, saved)


def hold_sites(step: Step, username: str, owner: str, retry_after: int) -> None:
    """Ensure that every site of the account answers with the page."""
    text, known = web_render.suspended_snippet(username, owner, web_suspension.page_path(username), retry_after)
    domains = [site.domain for site in web_sites.of_user(username)]
    web_nginx.apply(
        step,
        {snippet_path(username): text},
        lambda: all(known in web_probe.loaded_marks(domain) for domain in domains),
        lambda: require_page(domains),
    )


def require_page(domains: list[str]) -> None:
    """Refuse a site that shows anything else."""
    for domain in domains:
        for tls in (False, True):
            status = web_probe.page(domain, tls=tls)[0]
            if status != web_suspension.STATUS:
                raise StepFailed("probe", "%s answers %d instead of the page of a suspended site" % (domain, status))


def wake(step: Step, username: str, owner: str) -> None:
    """Ensure that everything of the account is as it was before."""
    owner_of(username, owner)
    marker = web_suspension.read(username)
    if marker is not None:
        for name in BEFORE_THE_MARKER:
            PARTS[name].release(step, username, marker["saved"].get(name) or {})
    step.absent(web_suspension.marker_path(username))
    with daemon.serialised(f"php-{username}", step.check_mode):
        web_php.wake(step, username)
    web_timers.release(step, username, {})
    release_sites(step, username)
    step.absent(web_suspension.page_path(username))


def release_sites(step: Step, username: str) -> None:
    """Ensure that the account's sites answer again."""
    domains = [site.domain for site in web_sites.of_user(username)]
    web_nginx.apply(step, {snippet_path(username): None}, lambda: not any(map(is_covered, domains)))


def is_covered(domain: str) -> bool:
    """Whether the running nginx answers for a suspended account."""
    return any(word.startswith(web_render.SUSPENDED_WORD) for word in web_probe.loaded_marks(domain))
