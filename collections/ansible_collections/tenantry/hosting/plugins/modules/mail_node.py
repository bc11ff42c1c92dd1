#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the configuration of a mail node and that its daemons run with it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_node
short_description: Ensure a mail node's configuration and daemons
description:
  - Makes the directories, the lookup tables, the table of certificates and a placeholder certificate, then the configuration
    files of Postfix, Dovecot and rspamd. The files of each daemon are checked by its own checker in a copy of its tree before
    any of them goes live.
  - Reloads what has to be reloaded and probes it. What does not come up with the new files gets its old ones back.
  - Lookup tables and certificates that exist are never replaced; tables of an older version are brought to this one.
options:
  hostname:
    description: The name of the node.
    type: str
    required: true
  files:
    description: Configuration files, path to content. They belong to root and are readable by everybody.
    type: dict
    required: true
  absent:
    description: Configuration files that may not be there.
    type: list
    elements: str
    default: []
  directories:
    description: Directories with path, mode, owner and group, parents first.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      mode: {description: Octal mode., type: str, required: true}
      owner: {description: User., type: str, default: root}
      group: {description: Group., type: str, default: root}
  boot_units:
    description: Units of our own that start at boot, besides the daemons.
    type: list
    elements: str
    default: []
  state_directory:
    description: Where the lookup tables lie.
    type: path
    default: /var/lib/tenantry/mail
  dkim_directory:
    description: Where the signing keys lie.
    type: path
    default: /var/lib/tenantry/dkim
  tls_directory:
    description: The link to the certificate in use; C(placeholder) lies beside it.
    type: path
    default: /etc/tenantry/tls/node/mail/current
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the mail daemons
  tenantry.hosting.mail_node:
    hostname: mail1.lab.test
    files:
      /etc/postfix/main.cf: "{{ lookup('ansible.builtin.template', 'postfix/main.cf.j2') }}"
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, mail_apply, mail_ground, mail_sni  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

TREES = (
    *("/etc/postfix/", "/etc/dovecot/", "/etc/rspamd/", "/etc/tenantry/mail/"),
    *("/etc/systemd/system/rspamd.service.d/", "/etc/systemd/system/tenantry-mail-"),
)
DIRECTORY = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
ARGUMENTS = {
    "hostname": {"type": "str", "required": True},
    "files": {"type": "dict", "required": True},
    "absent": {"type": "list", "elements": "str", "default": []},
    "directories": {"type": "list", "elements": "dict", "default": [], "options": DIRECTORY},
    "boot_units": {"type": "list", "elements": "str", "default": []},
    "state_directory": {"type": "path", "default": "/var/lib/tenantry/mail"},
    "dkim_directory": {"type": "path", "default": "/var/lib/tenantry/dkim"},
    "tls_directory": {"type": "path", "default": "/etc/tenantry/tls/node/mail/current"},
}


def ensure(step: Step) -> None:
    """Ensure the ground, then the configuration."""
    params = step.params
    hostname = grammar.domain(params["hostname"], "hostname")
    for path in (*params["files"], *params["absent"]):
        if not path.startswith(TREES) or "/../" in path:
            raise StepFailed("invalid", f"files: {path!r} is no configuration of a mail daemon; leave it out")
    with mail_apply.alone(step.check_mode):
        mail_ground.directories(step, params["directories"])
        mail_ground.placeholder(step, hostname, params["tls_directory"])
        mail_ground.tables(step, params["state_directory"])
        mail_ground.selectors(step, params["dkim_directory"])
        mail_sni.ensure(step)
        mail_apply.apply(step, params["files"], params["absent"], params["boot_units"])


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
