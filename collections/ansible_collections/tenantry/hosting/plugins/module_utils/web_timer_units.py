# SPDX-License-Identifier: Apache-2.0
"""What the units of an account's cron job say. Pure; every value has passed its grammar before it comes here."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils import web_account, web_suspension

COMMANDS = "/etc/tenantry/web/cron"
RUNNER = "/usr/local/lib/tenantry/cron-run"
_NOTICE = "# Written by tenantry: changes by hand are overwritten.\n"

_TIMER = """\
[Unit]
Description=Cron job {name} of {username}
ConditionPathExists=!{marker}

[Timer]
{calendar}
# Within its minute, but not all accounts' jobs in the same second.
AccuracySec=1s
RandomizedDelaySec=20s
FixedRandomDelay=yes

[Install]
WantedBy=timers.target
"""

# The walls are those of the account's PHP, tenantry-phpVERSION@.service.
_SERVICE = """\
[Unit]
Description=Cron job {name} of {username}
ConditionPathExists=!{marker}

[Service]
Type=exec
User={username}
Group={username}
Slice=tenantry-{username}.slice
# A customer's job that fails is the customer's affair: it is told in logs/cron.log.
ExecStart=-/bin/sh {runner} {path} {name}
RuntimeMaxSec=6h
TimeoutStopSec=10
WorkingDirectory={home}
Environment=PATH=/usr/local/bin:/usr/bin:/bin TMPDIR={home}/tmp LANG=C.UTF-8
StandardInput=null
StandardOutput=journal
StandardError=journal
LogRateLimitIntervalSec=1min
LogRateLimitBurst=20
UMask=0022

# No other account exists in here.
TemporaryFileSystem=/home:ro
BindPaths={home}
InaccessiblePaths=-/etc/nginx -/etc/tenantry/web/packages -/var/lib/tenantry -/var/log -/root -/run/tenantry/lock
ProtectSystem=strict
ReadWritePaths={home}
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
ProtectProc=invisible
ProcSubset=pid

# And no way to become somebody else or to reach the kernel.
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


class Job:
    """A cron job as it should be; ``calendar`` are its OnCalendar values."""

    def __init__(self, username: str, name: str, calendar: Sequence[str], command: str) -> None:
        self.username = username
        self.name = name
        self.calendar = calendar
        self.command = command


def unit(username: str, name: str, kind: str) -> str:
    """Return the name of a job's timer or service. A user's name has no hyphen, so no two jobs share one."""
    return f"tenantry-cron-{username}-{name}.{kind}"


def folder(username: str) -> str:
    """Return where the account's commands lie."""
    return f"{COMMANDS}/{username}"


def command_path(username: str, name: str) -> str:
    """Return where a job's command lies."""
    return f"{folder(username)}/{name}"


def timer(job: Job) -> str:
    """Return the timer."""
    lines = "\n".join(f"OnCalendar={line}" for line in job.calendar)
    return _NOTICE + _TIMER.format(calendar=lines, **_values(job))


def service(job: Job) -> str:
    """Return the service."""
    return _NOTICE + _SERVICE.format(**_values(job))


def _values(job: Job) -> dict[str, str]:
    return {
        "username": job.username,
        "name": job.name,
        "marker": web_suspension.marker_path(job.username),
        "runner": RUNNER,
        "path": command_path(job.username, job.name),
        "home": web_account.home(job.username),
    }
