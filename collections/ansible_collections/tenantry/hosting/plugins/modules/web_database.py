#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that an account has a database, or has it no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_database
short_description: Ensure that an account has a database with its user, or has it no longer
description:
  - The database and its user have one name. The user may do everything in it and nothing elsewhere, and logs in on the node
    itself only, by the socket or by 127.0.0.1.
  - Rights added or taken by hand are put right. A database that exists without being recorded as the account's is refused.
  - While the account is suspended the user is locked.
  - C(absent) ends the connections and removes users, tables and files. What belongs to another owner is left alone.
options:
  username:
    description: Name of the account's UNIX user.
    type: str
    required: true
  name:
    description: Name of the database and of its user. It begins with the account's name and an underscore.
    type: str
    required: true
  password_hash:
    description: The hash of mysql_native_password, a star and 40 hexadecimal digits. Required unless C(absent).
    type: str
  state:
    description: Whether the database is there.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Label of the service that owns the object; absent in a run by hand, which keeps the recorded one.
    type: str
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure a database
  tenantry.hosting.web_database:
    username: w1001
    name: w1001_shop
    password_hash: "{{ shop_password_hash }}"
"""

RETURN = r"""
facts:
  description: The database and where its user may log in from
  type: dict
  returned: success
  sample: {database: w1001_shop, hosts: [127.0.0.1, localhost]}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    daemon,
    grammar,
    web_account,
    web_mariadb,
    web_names,
    web_register,
    web_suspension,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402

ARGUMENTS = {
    "username": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "password_hash": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str"},
}


def ensure(step: Step) -> None:
    """Check every value, then make the database or remove it."""
    params = step.params
    username = web_names.username(params["username"])
    name = web_names.database(params["name"], username)
    owner = grammar.owner(params["owner"])
    if params["state"] == "absent":
        web_mariadb.drop(step, username, name, owner)
        return
    password_hash = web_names.database_hash(params["password_hash"] or "")
    step.facts = {"database": name, "hosts": list(web_mariadb.HOSTS)}
    account = web_account.require(step, username, owner)
    with daemon.serialised(f"databases-{username}", step.check_mode):
        is_there = web_mariadb.read(step, name).is_there
        web_register.enter(step, web_mariadb.KIND, username, name, account["owner"], is_there)
        web_mariadb.ensure(step, name, password_hash, web_suspension.is_suspended(username))


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS, required_if=[("state", "present", ["password_hash"])]).run(ensure)


if __name__ == "__main__":
    main()
