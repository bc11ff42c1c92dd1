#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure what every node has, whatever its roles are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_base
short_description: Ensure the shared directories and kernel settings of a node
description:
  - Makes the directories that the steps of all roles use, and the files of systemd-tmpfiles and sysctl, and applies them.
options:
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
  files:
    description: Files of systemd-tmpfiles and sysctl, path to content.
    type: dict
    default: {}
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the shared directories
  tenantry.hosting.node_base:
    directories:
      - {path: /etc/tenantry, mode: "0755"}
"""

RETURN = r"""
facts:
  description: Nothing.
  type: dict
  returned: success
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import mail_ground  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

TMPFILES, SYSCTL = "/etc/tmpfiles.d/", "/etc/sysctl.d/"
DIRECTORY = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
ARGUMENTS = {
    "directories": {"type": "list", "elements": "dict", "default": [], "options": DIRECTORY},
    "files": {"type": "dict", "default": {}},
}


def ensure(step: Step) -> None:
    """Ensure the directories, then the files, and apply what has changed."""
    for path in step.params["files"]:
        if not path.startswith((TMPFILES, SYSCTL)) or "/../" in path:
            raise StepFailed("invalid", f"files: {path!r} is no file of systemd-tmpfiles or sysctl; leave it out")
    mail_ground.directories(step, step.params["directories"])
    for path, content in step.params["files"].items():
        if not step.file(path, content) or step.check_mode:
            continue
        if path.startswith(TMPFILES):
            step.command(["systemd-tmpfiles", "--create", path])
        else:
            # A container may not set these; its host does. The unit's own condition then skips it.
            step.command(["systemctl", "restart", "systemd-sysctl.service"])


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
