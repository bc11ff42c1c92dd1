# SPDX-License-Identifier: Apache-2.0
"""SFTP logins of accounts: UNIX users with the account's own number, so that what they upload is the account's.

sshd shuts every member of the group ``tenantry-sftp`` into its account's home and gives it nothing but file transfer; members
of ``tenantry-suspended`` are refused. A login has no home of its own: in the user table stands the folder in which a session
begins, seen from inside the account's home. Nothing below the home is touched by root.

    /etc/tenantry/web/sftp/keys/LOGIN   public keys, which only root writes
    /etc/tenantry/web/sftp/roots/UID    link to the home that sessions are shut into; for this user no systemd --user starts
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    daemon,
    files,
    web_account,
    web_register,
    web_sftp_sessions,
    web_sftp_users,
    web_sshd,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step
from ansible_collections.tenantry.hosting.plugins.module_utils.web_sftp_users import Login

KIND = web_register.SFTP
_NOTICE = "# Written by tenantry: changes by hand are overwritten.\n"


def key_path(name: str) -> str:
    """Return where the public keys of a login lie."""
    return f"{web_sshd.KEYS}/{name}"


def ensure(step: Step, login: Login, password_hash: str, keys: Sequence[str], is_held: bool) -> None:
    """Ensure the login. A new one can do nothing before sshd is known to confine it."""
    web_sftp_users.ensure_user(step, login)
    _ensure_root(step, login)
    if not step.check_mode:
        web_sshd.require_confined(step, login.name)
    step.file(key_path(login.name), _NOTICE + "".join(f"{key}\n" for key in keys), 0o640, 0, login.username)
    web_sftp_users.ensure_password(step, login.name, password_hash)
    if is_held:
        web_sftp_sessions.end(step, [login.name])


def _ensure_root(step: Step, login: Login) -> None:
    home, name = web_account.home(login.username), str(login.uid)
    leads = _roots().get(name, "")
    if login.uid == -1 or leads == home:  # without a number, in check mode, the account itself is still to come
        return
    step.note(f"{web_sshd.ROOTS}/{name}", f"-> {leads}\n" if leads else "", f"-> {home}\n")
    if step.check_mode:
        return
    temporary = f".{name}.{secrets.token_hex(6)}"
    with files.open_directory(web_sshd.ROOTS) as parent:
        os.symlink(home, temporary, dir_fd=parent)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)


def _roots() -> dict[str, str]:
    """Return the links to homes by user number; what is no link leads nowhere."""
    try:
        with files.open_directory(web_sshd.ROOTS) as parent:
            return {name: _leads(parent, name) for name in os.listdir(parent)}
    except FileNotFoundError:
        return {}


def _leads(parent: int, name: str) -> str:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError:
        return ""


def of_account(username: str) -> list[str]:
    """Return the names of the account's logins."""
    return web_register.of_account(KIND, username)


def drop(step: Step, username: str, name: str, owner: str) -> None:
    """Remove one login of an account, unless it belongs to somebody else. Its sessions end; files stay."""
    with daemon.serialised("accounts", step.check_mode):
        is_there = web_sftp_users.find(name) is not None
        if not web_register.may_remove(step, KIND, username, name, owner, is_there):
            return
        if is_there:
            step.note(f"user {name}", "present\n", "")
        if is_there and not step.check_mode:
            web_sftp_users.remove(step, name)
        step.absent(key_path(name))
        web_sftp_sessions.end(step, [name])
        if of_account(username) == [name]:
            _drop_roots(step, username)
        web_register.strike(step, KIND, username, name)


def _drop_roots(step: Step, username: str) -> None:
    home = web_account.home(username)
    for name in [name for name, leads in _roots().items() if leads == home]:
        step.note(f"{web_sshd.ROOTS}/{name}", f"-> {home}\n", "")
        if not step.check_mode:
            files.remove_file(f"{web_sshd.ROOTS}/{name}")


def drop_all(step: Step, username: str, owner: str) -> None:
    """Remove every login of an account that is the owner's."""
    for name in of_account(username):
        drop(step, username, name, owner)


def state(step: Step, username: str) -> dict[str, Any]:  # noqa: ARG001 - as in the other areas
    """Return what suspending the account must remember: the logins that are refused already."""
    held = [name for name in of_account(username) if web_sftp_users.HELD_GROUP in web_sftp_users.groups_of(name)]
    return {"refused": held}


def hold(step: Step, username: str) -> dict[str, Any]:
    """Refuse the account's logins, by password and by key, and end their sessions; return what was there, as ``state``.

    A suspend step saves ``state`` in its marker before it calls this: after a crash in between all look refused.
    """
    before = state(step, username)
    names = of_account(username)
    with daemon.serialised("accounts", step.check_mode):
        for name in names:
            web_sftp_users.set_held(step, name, True)
    web_sftp_sessions.end(step, names)
    return before


def release(step: Step, username: str, saved: dict[str, Any]) -> None:
    """Let the account's logins in again, except those that were refused before."""
    with daemon.serialised("accounts", step.check_mode):
        for name in of_account(username):
            if name not in saved.get("refused", []):
                web_sftp_users.set_held(step, name, False)
