#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that an account has an SFTP login, or has it no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_sftp
short_description: Ensure that an account has an SFTP login, or has it no longer
description:
  - The login is a UNIX user with the account's number, so that what it uploads is the account's. sshd shuts it into the account's
    home and gives it file transfer only; the login is made only where sshd is known to do so.
  - Public keys lie where only root writes. Without a password's hash only keys let it in.
  - While the account is suspended the login is refused.
  - C(absent) ends its sessions and leaves the files it has uploaded. What belongs to another owner is left alone.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  name:
    description: Name of the login. It begins with the account's name and an underscore.
    type: str
    required: true
  password_hash:
    description: The password's hash, bcrypt or yescrypt; left out, no password lets it in.
    type: str
  public_keys:
    description: Public keys, each as a line of a .pub file.
    type: list
    elements: str
    default: []
  folder:
    description: The folder below the account's home in which a session begins.
    type: str
    default: www
  state:
    description: Whether the login is there.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure an SFTP login
  tenantry.hosting.web_sftp:
    username: w1001
    name: w1001_upload
    public_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM/lEt8zLQcKMG70lLf/sLuiIpeBussROxYLVwo2uURW]
"""

RETURN = r"""
facts:
  description: The login, the folder in which a session begins and the ways it gets in
  type: dict
  returned: success
  sample: {login: w1001_upload, folder: www, password: false, keys: 1}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    grammar,
    web_account,
    web_keys,
    web_names,
    web_register,
    web_sftp_logins,
    web_sftp_users,
    web_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "password_hash": {"type": "str", "no_log": True},
    "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "folder": {"type": "str", "default": "www"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Check every value, then make the login or remove it."""
    params = step.params
    username = web_names.username(params["username"])
    name = web_names.login(params["name"], username)
    owner = grammar.owner(params["owner"])
    if params["state"] == "absent":
        web_sftp_logins.drop(step, username, name, owner)
        return
    password_hash = web_keys.password_hash(params["password_hash"])
    keys = web_keys.public_keys(params["public_keys"])
    folder = web_names.folder(params["folder"])
    account = web_account.require(step, username, owner)
    is_held = web_suspension.is_suspended(username)
    login = web_sftp_users.Login(name, username, account["uid"], folder, is_held)
    with daemon.serialised("accounts", step.check_mode):
        is_there = web_sftp_users.find(name) is not None
        web_register.enter(step, web_sftp_logins.KIND, username, name, account["owner"], is_there)
        web_sftp_logins.ensure(step, login, password_hash, keys, is_held)
    tell(step, name, folder, password_hash != web_sftp_users.NO_PASSWORD, len(keys))


def tell(step: Step, name: str, folder: str, has_password: bool, keys: int) -> None:
    """Report the login; one that nothing lets in is worth a warning."""
    step.facts = {"login": name, "folder": folder, "password": has_password, "keys": keys}
    if not has_password and not keys:
        step.warnings.append(f"{name} has neither a password nor a key: nobody can log in with it")


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
