#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the UNIX user of an account and its home."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_user
short_description: Ensure the UNIX user of an account and its home
description:
  - The home belongs to root, so that root may work in it; the folders in it belong to the user. Nobody else reads them but
    nginx, and that only C(www).
  - A new C(www) holds a welcome page. Once C(www) is there, nothing in it is touched again.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  uid:
    description: Number of the user and of its group. One that somebody else has is refused.
    type: int
    required: true
  welcome:
    description: The page a new C(www) begins with.
    type: str
    required: true
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the account's user
  tenantry.hosting.web_user:
    username: w1001
    uid: 20001
    welcome: "{{ lookup('ansible.builtin.file', 'welcome.html') }}"
"""

RETURN = r"""
facts:
  description: Where the account lives
  type: dict
  returned: success
  sample: {home: /home/w1001}
"""

import contextlib  # noqa: E402
import grp  # noqa: E402
import os  # noqa: E402
import pwd  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    files,
    grammar,
    web_account,
    web_names,
    web_sftp_users,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "welcome": {"type": "str", "required": True},
    "owner": {"type": "str"},
}
SHELL = "/usr/sbin/nologin"
PRIVATE = {"tmp": 0o700, "sessions": 0o700, "logs": 0o700}
WWW_MODE = 0o2750  # new folders in it keep nginx's group


def ensure(step: Step) -> None:
    """Ensure the user, then its home."""
    username, uid = web_names.username(step.params["username"]), web_names.uid(step.params["uid"])
    record = web_account.require(step, username, grammar.owner(step.params["owner"]))
    if record["uid"] not in (uid, -1):
        raise StepFailed("conflict", "the account %s has the number %d, not %d" % (username, record["uid"], uid))
    with daemon.serialised("accounts", step.check_mode):
        ensure_user(step, username, uid)
    ensure_home(step, username, uid)
    step.facts = {"home": web_account.home(username)}


def ensure_user(step: Step, username: str, uid: int) -> None:
    """Ensure the group and the user; both numbers and names must be ours or free."""
    group = found(grp.getgrnam, username) or found(grp.getgrgid, uid)
    user = found(pwd.getpwnam, username) or holder(username, uid)
    if group and (group.gr_name, group.gr_gid) != (username, uid):
        taken("group", group.gr_name, group.gr_gid)
    if user and ((user.pw_name, user.pw_uid) != (username, uid) or user.pw_gecos != web_account.COMMENT):
        taken("user", user.pw_name, user.pw_uid)
    number = str(uid)
    if not group:
        step.note(f"group {username}", "", f"{number}\n")
        change(step, ["groupadd", "--gid", number, username])
    home = web_account.home(username)
    if not user:
        step.note(f"user {username}", "", f"{number} {home} {SHELL}\n")
        naming = ["--comment", web_account.COMMENT, "--home-dir", home, "--no-create-home", "--shell", SHELL]
        # No range of subordinate numbers: an account runs no containers.
        ranges = ["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"]
        # Its SFTP logins, which have its number too, may be there already.
        numbers = ["--uid", number, "--non-unique", "--gid", number]
        change(step, ["useradd", *numbers, *naming, *ranges, username])
    elif (user.pw_dir, user.pw_shell, user.pw_gid) != (home, SHELL, uid):
        step.note(f"user {username}", f"{user.pw_gid} {user.pw_dir} {user.pw_shell}\n", f"{number} {home} {SHELL}\n")
        change(step, ["usermod", "--gid", number, "--home", home, "--shell", SHELL, username])


def found(lookup, key):
    """Return an entry of the account databases, None when there is none."""
    with contextlib.suppress(KeyError):
        return lookup(key)
    return None


def holder(username: str, uid: int):
    """Return the user that has the number, None when nobody has it but SFTP logins of the account."""
    users = (user for user in pwd.getpwall() if user.pw_uid == uid)
    return next((user for user in users if not web_sftp_users.is_login_of(user, username)), None)


def taken(kind: str, name: str, number: int) -> None:
    """Refuse a name or number that is not this account's."""
    raise StepFailed(
        "conflict", "the node has a %s %s with number %d that is not this account's" % (kind, name, number)
    )


def change(step: Step, argv: list[str]) -> None:
    """Run a program that changes the account databases."""
    if not step.check_mode:
        step.command(argv)


def ensure_home(step: Step, username: str, uid: int) -> None:
    """Ensure the home and the folders in it."""
    home = web_account.home(username)
    step.directory(home, 0o751, 0, uid)  # an SFTP login sees what is in it; nginx and others only pass
    for name, mode in PRIVATE.items():
        step.directory(f"{home}/{name}", mode, uid, uid)
    if files.directory_state(f"{home}/www") is None:
        step.note(f"{home}/www/", "", "with a welcome page\n")
        if not step.check_mode:
            make_www(home, uid, step.params["welcome"].encode())
    else:
        step.directory(f"{home}/www", WWW_MODE, uid, web_account.WEB_GROUP)


def make_www(home: str, uid: int, welcome: bytes) -> None:
    """Make www with its page under another name while it is root's, then hand it over in one rename."""
    fresh = f"{home}/.www.new"
    files.make_directory(fresh, 0o700, 0, 0)
    files.replace_file(f"{fresh}/index.html", welcome, 0o644, uid, uid)
    group = files.ids(uid, web_account.WEB_GROUP)[1]
    with files.open_directory(home) as parent:
        descriptor = os.open(".www.new", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.rename(".www.new", "www", src_dir_fd=parent, dst_dir_fd=parent)
            os.fchown(descriptor, uid, group)
            os.fchmod(descriptor, WWW_MODE)
        finally:
            os.close(descriptor)


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
