#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure the configuration of a web node and that its daemons run with it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_node
short_description: Ensure a web node's configuration and daemons
description:
  - Makes the directories and a placeholder certificate, then the files of systemd, MariaDB and logrotate, then those of nginx,
    which are tested as a whole tree with every site of the node in it before any of them goes live.
  - nginx is reloaded, never restarted. MariaDB is restarted when its own file has changed.
  - sshd is reloaded once its whole configuration has been tested and root and the one who runs this step log in as before.
  - Debian's shared PHP-FPM is switched off, because every account has its own.
options:
  hostname:
    description: The name of the node.
    type: str
    required: true
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
    description: Files of systemd, MariaDB and logrotate, path to content.
    type: dict
    required: true
  nginx_files:
    description:
      - Files below C(/etc/nginx), path to content.
      - The text C(@MARK@) in them becomes the mark by which the running nginx is recognised.
    type: dict
    required: true
  sshd_files:
    description: Files below C(/etc/ssh/sshd_config.d), path to content. What they say may hold for SFTP logins only.
    type: dict
    default: {}
  php_files:
    description: Files of systemd that exist once for each PHP version, which takes the place of C(@PHP@) in path and content.
    type: dict
    default: {}
  php_versions:
    description: The PHP versions that accounts can have. Their shared PHP-FPM is switched off.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the web daemons
  tenantry.hosting.web_node:
    hostname: web1.lab.test
    files: {}
    nginx_files:
      /etc/nginx/nginx.conf: "{{ lookup('ansible.builtin.template', 'nginx/nginx.conf.j2') }}"
"""

RETURN = r"""
facts:
  description: The PHP versions that accounts can have.
  type: dict
  returned: success
  sample: {php_versions: ["8.2"]}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import (  # noqa: E402
    grammar,
    mail_ground,
    web_account,
    web_ground,
    web_names,
    web_sshd,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

TREES = (
    "/etc/systemd/system/tenantry-",
    "/etc/systemd/system/user@.service.d/tenantry",
    "/etc/systemd/system/user-runtime-dir@.service.d/tenantry",
    "/usr/local/lib/tenantry/",
    "/etc/tmpfiles.d/tenantry-",
    "/etc/mysql/mariadb.conf.d/",
    "/etc/logrotate.d/",
)
NGINX = "/etc/nginx/"
PHP = "@PHP@"
CERTIFICATE = "/etc/tenantry/tls/node/web/current"
DIRECTORY = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
ARGUMENTS = {
    "hostname": {"type": "str", "required": True},
    "directories": {"type": "list", "elements": "dict", "default": [], "options": DIRECTORY},
    "files": {"type": "dict", "required": True},
    "nginx_files": {"type": "dict", "required": True},
    "sshd_files": {"type": "dict", "default": {}},
    "php_files": {"type": "dict", "default": {}},
    "php_versions": {"type": "list", "elements": "str", "default": []},
}


def ensure(step: Step) -> None:
    """Ensure the ground, then each daemon."""
    params = step.params
    hostname = grammar.domain(params["hostname"], "hostname")
    versions = [web_names.php_version(version, "php_versions") for version in params["php_versions"]]
    wanted = dict(params["files"])
    for version in versions:
        for path, content in params["php_files"].items():
            wanted[path.replace(PHP, version)] = content.replace(PHP, version)
    require_inside("files", wanted, TREES)
    require_inside("nginx_files", params["nginx_files"], (NGINX,))
    require_inside("sshd_files", params["sshd_files"], (web_sshd.DROP_INS,))
    web_ground.require_software(step, versions)
    mail_ground.directories(step, params["directories"])
    for version in versions:
        step.directory(f"{web_account.POOLS}/{version}", 0o711)
    mail_ground.placeholder(step, hostname, CERTIFICATE)
    web_ground.ensure_files(step, wanted)
    web_sshd.ensure_groups(step)
    web_sshd.ensure(step, params["sshd_files"])
    for version in versions:
        web_ground.switch_off(step, f"php{version}-fpm.service")
    web_ground.switch_on(step, "mariadb.service")
    web_ground.ensure_nginx(step, params["nginx_files"])
    step.facts = {"php_versions": versions}


def require_inside(field: str, paths: dict, trees: tuple[str, ...]) -> None:
    """Refuse a file that is none of ours."""
    for path in paths:
        if not path.startswith(trees) or "/../" in path:
            raise StepFailed("invalid", f"{field}: {path!r} is no configuration of a web node; leave it out")


def main() -> None:
    """Run the module."""
    Step(ARGUMENTS).run(ensure)


if __name__ == "__main__":
    main()
