# SPDX-License-Identifier: Apache-2.0
"""The servers table as an inventory.

The table is read only. Every value is checked by a grammar of the whole value, so none can become an option of ssh; and
nothing is marked as a template, so ansible never evaluates one. A row that does not pass is left out with a warning.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: tenantry
short_description: Servers of a Tenantry installation
description:
  - Reads the servers table of the orchestrator's database and changes nothing in it.
  - Groups are the roles C(web), C(mail) and C(dns), one C(group_NAME) for each server group, and C(status_NAME).
  - Host keys are the pinned ones of the table; no other is accepted. Servers that are gone are left out.
options:
  plugin:
    description: Name of this plugin.
    required: true
    choices: [tenantry.hosting.tenantry]
  database_url:
    description: The database, C(sqlite:///file) or C(mysql://user:password@host/name).
    type: str
    default: sqlite:///tenantry.db
    env:
      - name: TENANTRY_DATABASE_URL
  ssh_key:
    description: Private key that logs in to the servers. C(--private-key) wins; without either ssh uses its own settings.
    type: path
    env:
      - name: TENANTRY_SSH_KEY
author: The Tenantry team
"""

EXAMPLES = r"""
# inventory/tenantry.yml
plugin: tenantry.hosting.tenantry
"""

import os  # noqa: E402
import re  # noqa: E402
import shlex  # noqa: E402
import tempfile  # noqa: E402
from typing import Any  # noqa: E402

from ansible import constants, context  # noqa: E402
from ansible.errors import AnsibleParserError  # noqa: E402
from ansible.plugins.inventory import BaseInventoryPlugin  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.plugin_utils import servers_table  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.plugin_utils.servers_table import Server  # noqa: E402

_INTERPRETER = "/usr/bin/python3"


class InventoryModule(BaseInventoryPlugin):
    """Adds every usable server with the variables that a run needs."""

    NAME = "tenantry.hosting.tenantry"

    def verify_file(self, path: str) -> bool:
        """Return whether this is one of our configuration files."""
        return super().verify_file(path) and bool(re.search(r"tenantry\.ya?ml$", path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the table and fill the inventory. Raises AnsibleParserError when the database cannot be read."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            rows, groups = servers_table.read(str(self.get_option("database_url")))
        except servers_table.Unreadable as error:
            raise AnsibleParserError(f"tenantry: {error}") from None
        servers = [server for row in rows if (server := self._checked(row)) is not None]
        known_hosts = self._known_hosts(servers)
        for server in servers:
            self._add(server, groups.get(server.id, []), known_hosts)

    def _checked(self, row: dict[str, Any]) -> Server | None:
        try:
            return servers_table.check(row)
        except servers_table.Unusable as error:
            self.display.warning(f"tenantry: {error}; this server is left out")
            return None

    def _add(self, server: Server, groups: list[str], known_hosts: str) -> None:
        self.inventory.add_host(server.name)
        for name, value in self._variables(server, known_hosts).items():
            self.inventory.set_variable(server.name, name, value)
        for name in [*server.roles, *(f"group_{name}" for name in groups), f"status_{server.status}"]:
            self.inventory.add_group(name)
            self.inventory.add_child(name, server.name)

    def _variables(self, server: Server, known_hosts: str) -> dict[str, Any]:
        variables = {
            "ansible_connection": "ssh",
            "ansible_host": server.address,
            "ansible_port": server.port,
            "ansible_user": server.login,
            "ansible_python_interpreter": _INTERPRETER,
            "ansible_ssh_host_key_checking": True,
        }
        key = self.get_option("ssh_key")
        if key and not context.CLIARGS.get("private_key_file"):
            variables["ansible_ssh_private_key_file"] = str(key)
        return variables | {"ansible_ssh_common_args": _options(known_hosts, bool(key))}

    @staticmethod
    def _known_hosts(servers: list[Server]) -> str:
        """Write the pinned keys into ansible's own temporary folder, which ends with the run, and return the path."""
        descriptor, path = tempfile.mkstemp(prefix="known_hosts-", dir=constants.DEFAULT_LOCAL_TMP)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.writelines(line for server in servers for line in server.known_hosts())
        return path


def _options(known_hosts: str, has_key: bool) -> str:
    options = {
        "UserKnownHostsFile": f'"{known_hosts}"',  # ssh's own quotes, for a folder with a space
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes" if has_key else "no",  # without a key of ours an agent's may be tried
    }
    return " ".join(f"-o {shlex.quote(f'{name}={value}')}" for name, value in options.items())
