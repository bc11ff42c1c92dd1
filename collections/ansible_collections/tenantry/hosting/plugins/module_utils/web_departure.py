# SPDX-License-Identifier: Apache-2.0
"""Taking a web account off this node, everything that any step has made of it.

What lets requests and people in goes first, then what runs, then what lies on the disk. The account's record goes last: a
run that died is taken up by the next one.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    daemon,
    files,
    web_account,
    web_certificates,
    web_mariadb,
    web_php,
    web_processes,
    web_quota,
    web_removal,
    web_sftp_logins,
    web_sites,
    web_sleep,
    web_suspension,
    web_timers,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed


def remove(step: Step, username: str, uid: int, owner: str) -> None:
    """Ensure that nothing of the account is on this node; one that is somebody else's is left alone with a warning."""
    record, marker = web_account.read(username), web_suspension.read(username)
    for holder in ((found or {}).get("owner", "") for found in (record, marker)):
        if web_account.is_foreign(holder, owner):
            step.warnings.append(f"left alone: the account {username} belongs to {holder}")
            return
    require_own_numbers(username, uid, record)
    is_known = record is not None or web_account.user_of(username) is not None
    with daemon.serialised(f"php-{username}", step.check_mode):
        close(step, username, owner)
        if is_known:
            web_processes.end_all(step, username, uid)
        web_php.require_stopped(step, username)
        web_php.remove(step, username)
    for part in (web_timers, web_sftp_logins, web_mariadb):
        part.drop_all(step, username, owner)
    if is_known:
        web_processes.end_all(step, username, uid)
        web_quota.ensure(step, uid, web_account.HOMES, 0, 0)
    remove_slice(step, username)
    remove_logs(step, username)
    web_removal.remove(step, web_account.home(username))
    remove_user(step, username)
    step.absent(web_suspension.page_path(username))
    step.absent(web_suspension.marker_path(username))
    step.absent(web_account.record_path(username))


def require_own_numbers(username: str, uid: int, record: dict | None) -> None:
    """Refuse when the number or the name is somebody else's on this node: his processes are not to be ended."""
    if record is not None and record["uid"] != uid:
        raise StepFailed("conflict", "the account %s has the number %d, not %d" % (username, record["uid"], uid))
    for user in pwd.getpwall():
        is_ours = user.pw_name == username or user.pw_name.startswith(f"{username}_")
        if user.pw_name == username:
            is_ours = user.pw_gecos == web_account.COMMENT and user.pw_uid == uid
        if not is_ours and (user.pw_uid == uid or user.pw_name == username):
            raise StepFailed(
                "conflict",
                "the node has a user %s with number %d that is not this account's" % (user.pw_name, user.pw_uid),
            )


def close(step: Step, username: str, owner: str) -> None:
    """Ensure that nginx knows nothing of the account and hands nothing to its PHP any more."""
    domains = []
    for site in web_sites.of_user(username):
        holder = str((site.about or {}).get("owner", ""))
        if web_account.is_foreign(holder, owner):
            step.warnings.append(f"left alone: {site.domain} belongs to {holder}")
        else:
            domains.append(site.domain)
    web_sites.withdraw(step, username, domains, [web_sleep.snippet_path(username)])
    for domain in web_certificates.of_user(username):
        web_certificates.remove(step, domain, username, owner)
    web_php.stop(step, username)


def remove_slice(step: Step, username: str) -> None:
    """Ensure that systemd knows no bounds of the account any more."""
    unit = f"tenantry-{username}.slice"
    if not step.absent(f"/etc/systemd/system/{unit}") or step.check_mode:
        return
    with daemon.serialised("systemd"):
        step.command(["systemctl", "stop", "--", unit])
        step.command(["systemctl", "daemon-reload"])


def remove_logs(step: Step, username: str) -> None:
    """Ensure that the account's logs are gone. Their folder is root's, and nobody else writes into it."""
    path = f"{web_account.LOGS}/{username}"
    if files.directory_state(path) is None:
        return
    step.note(path + "/", "%d files\n" % len(os.listdir(path)), "")
    if not step.check_mode:
        shutil.rmtree(path)


def remove_user(step: Step, username: str) -> None:
    """Ensure that the UNIX user and its group are gone; the home is not this program's affair."""
    with daemon.serialised("accounts", step.check_mode):
        user = web_account.user_of(username)
        if user is not None:
            step.note(f"user {username}", "%d\n" % user.pw_uid, "")
            if not step.check_mode:
                step.command(["userdel", "--", username])
        if group_exists(username) and (user is None or not step.check_mode):
            step.note(f"group {username}", "there\n", "")
            if not step.check_mode:
                step.command(["groupdel", "--", username])


def group_exists(username: str) -> bool:
    """Whether there is a group of the account's name."""
    return any(group.gr_name == username for group in grp.getgrall())
