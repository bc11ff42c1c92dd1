# SPDX-License-Identifier: Apache-2.0
"""The user table's entries of SFTP logins. They share the number of their account, which several programs do not expect:
``userdel`` and ``usermod`` take a login for used while any process of the account runs, and who asks for the account's
number must find the account itself first.
"""

from __future__ import annotations

import contextlib
import grp
import pwd

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

GROUP = "tenantry-sftp"
HELD_GROUP = "tenantry-suspended"
SHELL = "/usr/sbin/nologin"
MARK = "tenantry sftp"
NO_PASSWORD = "*"  # no password fits; keys do
_SHADOW = "/etc/shadow"
_EVER = ["--mindays", "-1", "--maxdays", "-1", "--inactive", "-1", "--expiredate", "-1", "--lastday", "-1"]


class Login:
    """A login as it should be; ``folder`` is where a session begins, below the account's home."""

    def __init__(self, name: str, username: str, uid: int, folder: str, is_held: bool) -> None:
        self.name = name
        self.username = username
        self.uid = uid
        self.entry = (uid, uid, f"/{folder}", SHELL, MARK)
        self.groups = [GROUP, HELD_GROUP] if is_held else [GROUP]


def find(name: str) -> pwd.struct_passwd | None:
    """Return a user's entry, None when there is none."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None


def is_login_of(user: pwd.struct_passwd, username: str) -> bool:
    """Whether an entry is an SFTP login of the account."""
    return user.pw_gecos == MARK and user.pw_name.startswith(f"{username}_")


def groups_of(name: str) -> list[str]:
    """Return the groups that name a user as a member."""
    return sorted(group.gr_name for group in grp.getgrall() if name in group.gr_mem)


def ensure_user(step: Step, login: Login) -> None:
    """Ensure the entry and the groups, after the account's own entry."""
    now = find(login.name)
    entry = None if now is None else (now.pw_uid, now.pw_gid, now.pw_dir, now.pw_shell, now.pw_gecos)
    groups = groups_of(login.name)
    if entry == login.entry and groups == login.groups and not _is_before(login.name, login.username):
        return
    step.note(f"user {login.name}", shown(entry, groups), shown(login.entry, login.groups))
    if step.check_mode:
        return
    _require_groups()
    if entry is None or entry[:3] != login.entry[:3] or _is_before(login.name, login.username):
        remove(step, login.name)
        _add(step, login)
    else:
        given = ["--shell", SHELL, "--comment", MARK, "--groups", ",".join(login.groups)]
        step.command(["usermod", *given, login.name])


def shown(entry: tuple[object, ...] | None, groups: list[str]) -> str:
    """Return an entry for people."""
    return "" if entry is None else " ".join(map(str, (*entry, *groups))) + "\n"


def _is_before(name: str, username: str) -> bool:
    """Whether the login stands before its account: then the account's number would lead to the login."""
    order = [entry.pw_name for entry in pwd.getpwall() if entry.pw_name in (name, username)]
    return order == [name, username]


def _require_groups() -> None:
    with contextlib.suppress(KeyError):
        grp.getgrnam(GROUP), grp.getgrnam(HELD_GROUP)
        return
    raise StepFailed("missing_software", f"this node has no group {GROUP}; run server.prepare with the web role")


def _add(step: Step, login: Login) -> None:
    numbers = ["--non-unique", "--uid", str(login.uid), "--gid", str(login.uid), "--no-user-group"]
    place = ["--home-dir", login.entry[2], "--no-create-home", "--shell", SHELL, "--comment", MARK]
    ranges = ["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"]
    step.command(["useradd", *numbers, *place, *ranges, "--groups", ",".join(login.groups), login.name])


def remove(step: Step, name: str) -> None:
    """Remove the entry, although processes of the account run under its number; no file is removed with it."""
    if find(name) is not None:
        step.command(["userdel", "--force", name])


def set_held(step: Step, name: str, is_held: bool) -> bool:
    """Refuse the login, or let it in again; True when that was different."""
    wanted = [GROUP, HELD_GROUP] if is_held else [GROUP]
    now = groups_of(name)
    if find(name) is None or (HELD_GROUP in now) == is_held:
        return False
    step.note(f"user {name}", " ".join(now) + "\n", " ".join(wanted) + "\n")
    if not step.check_mode:
        step.command(["usermod", "--groups", ",".join(wanted), name])
    return True


def ensure_password(step: Step, name: str, password_hash: str) -> None:
    """Ensure the hash, and that neither login nor password ever expire: nobody could set a new one over SFTP."""
    now = _shadow(name)
    if now is None or any(now[2:]) or now[1] == "0":
        step.note(f"expiry of {name}", " ".join(now[1:]) + "\n" if now else "", "never\n")
        if not step.check_mode:
            step.command(["chage", *_EVER, name])
    if now is not None and now[0] == password_hash:
        return
    step.note(f"password of {name}", "(secret)\n" if now else "", "(secret, new)\n")
    if not step.check_mode:
        step.command(["chpasswd", "--encrypted"], stdin=f"{name}:{password_hash}\n")


def _shadow(name: str) -> list[str] | None:
    """Return hash, day of the last change, least and most days, inactive days, day of expiry."""
    lines = (files.read_state(_SHADOW).content or b"").decode("utf-8", "replace").splitlines()
    for fields in (line.split(":") for line in lines):
        if fields[0] == name and len(fields) >= 8:
            return [fields[1], fields[2], fields[3], fields[4], fields[6], fields[7]]
    return None
