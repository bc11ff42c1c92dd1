"""What a helper process is told, and in which environment it runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.execute import environment, workspace
from orchestrator.execute.checks import Checked
from orchestrator.execute.settings import ExecutorSettings

RUNNER_SETTINGS = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": 1}
_BACKSTOP_SECONDS = 30  # ansible-runner's own deadline comes after ours


def order(settings: ExecutorSettings, checked: Checked, directory: Path) -> Mapping[str, Any]:
    """Return what the helper of one attempt is told."""
    jobs = workspace.job_files(directory, len(checked.documents), len(checked.playbooks))
    return {
        "attempt": directory.name,
        "directory": str(directory),
        "project_root": str(settings.project_root),
        "playbook": str(workspace.put_playbook(directory, checked.playbooks)),
        "inventory": str(directory / "inventory.json"),
        "job_files": [str(file) for row in jobs for file in row],
        "connect": environment.connect_ahead(directory, checked.host, settings.private_key, settings.connect_timeout),
        "check": checked.check,
        "timeout_seconds": sum(checked.timeouts) + _BACKSTOP_SECONDS,
        "grace_seconds": settings.grace_seconds,
        "maximum_events": settings.maximum_events,
        "maximum_bytes": settings.maximum_bytes,
        "memory_bytes": settings.memory_bytes,
        "file_bytes": settings.file_bytes,
    }


def variables(settings: ExecutorSettings, directory: Path) -> Mapping[str, str]:
    """Return the environment of an attempt, with a secret token that only its ansible knows."""
    return environment.build(
        attempt=directory,
        project_root=settings.project_root,
        private_key=settings.private_key,
        connect_timeout=settings.connect_timeout,
        retries=settings.connect_retries,
        token=secrets.randbits(62),
    )
