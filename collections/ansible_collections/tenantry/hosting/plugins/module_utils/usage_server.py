# SPDX-License-Identifier: Apache-2.0
"""How a node is: load, processor, memory, disks, versions of what the roles use, and whether it wants a reboot."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

_PACKAGES = {
    "web": ("nginx*", "mariadb-server", "php[0-9].[0-9]-fpm"),
    "mail": ("postfix", "dovecot-core", "rspamd"),
    "dns": ("pdns-server",),
}
_ALWAYS = ("openssh-server", "openssl", "systemd")
_DISKS = ("/", "/home", "/var", "/var/lib/mysql", "/var/vmail")
_MEMORY = {"MemTotal": "total", "MemAvailable": "available", "SwapTotal": "swap_total", "SwapFree": "swap_free"}
_KERNEL = re.compile(r"vmlinuz-(\d[\w.+~-]*)")


def load() -> dict[str, Any]:
    """Return the load of 1, 5 and 15 minutes, and the processors."""
    one, five, fifteen = os.getloadavg()
    return {"load1": one, "load5": five, "load15": fifteen, "processors": os.cpu_count() or 1}


def processor(state: dict[str, Any]) -> float | None:
    """Return the share of time the processors were busy since the last look (0 to 1), None at the first one."""
    with open("/proc/stat", encoding="ascii") as handle:
        fields = [int(word) for word in handle.readline().split()[1:9]]
    total, idle = sum(fields), fields[3] + fields[4]
    before = state.get("processor")
    state["processor"] = [total, idle]
    if not before or total <= before[0]:
        return None
    share = 1 - (idle - before[1]) / (total - before[0])
    return round(min(max(share, 0.0), 1.0), 4)


def memory() -> dict[str, int]:
    """Return memory and swap in bytes."""
    found = {}
    with open("/proc/meminfo", encoding="ascii") as handle:
        for line in handle:
            name, _, rest = line.partition(":")
            if name in _MEMORY:
                found[_MEMORY[name]] = int(rest.split()[0]) * 1024
    return found


def disks() -> dict[str, dict[str, int]]:
    """Return the size and free space in bytes of every file system that holds something of ours."""
    found: dict[str, dict[str, int]] = {}
    seen = set()
    for path in _DISKS:
        if not os.path.isdir(path) or os.stat(path).st_dev in seen:
            continue
        seen.add(os.stat(path).st_dev)
        status = os.statvfs(path)
        found[_label(path)] = {
            "total": status.f_blocks * status.f_frsize,
            "free": status.f_bavail * status.f_frsize,
            "inodes": status.f_files,
            "inodes_free": status.f_favail,
        }
    return found


def _label(path: str) -> str:
    return path.strip("/").replace("/", "-") or "root"


def packages(step: Step, roles: list[str]) -> dict[str, str]:
    """Return the versions of the packages that the roles use."""
    wanted = [*_ALWAYS, *(name for role in roles for name in _PACKAGES.get(role, ()))]
    argv = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package} ${Version}\\n", *wanted]
    rows = (line.split() for line in step.probe(argv)[1].splitlines())
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def reboot_needed() -> bool:
    """Whether a package asked for a reboot, or a newer kernel than the running one is installed."""
    if os.path.exists("/run/reboot-required"):
        return True
    try:
        kernels = [found[1] for name in os.listdir("/boot") if (found := _KERNEL.fullmatch(name))]
    except FileNotFoundError:
        return False
    return bool(kernels) and os.uname().release not in _newest(kernels)


def _newest(kernels: list[str]) -> list[str]:
    def key(name: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", name)]

    return [name for name in kernels if key(name) == max(map(key, kernels))]


def uptime() -> int:
    """Return seconds since the node was started."""
    with open("/proc/uptime", encoding="ascii") as handle:
        return int(float(handle.read().split()[0]))
