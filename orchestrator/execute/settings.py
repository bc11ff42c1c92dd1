"""Where an executor finds things, and what an attempt may take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown

WARM, PLAIN = "warm", "plain"
_PATH = re.compile(r"/[A-Za-z0-9/._@+-]*")  # ssh splits its options at blanks and ansible reads braces


@dataclass(frozen=True, kw_only=True)
class ExecutorSettings:
    """Where things are and how much an attempt may take."""

    project_root: Path  # playbooks/, roles/ and collections/ lie here
    run_root: Path  # private; one directory an attempt
    private_key: Path  # logs in to the servers
    mode: str = WARM
    connect_timeout: int = 5
    connect_retries: int = 2  # a busy sshd drops connections (MaxStartups)
    idle_timeout: float = 900.0  # without any event: as long as the longest single task
    grace_seconds: float = 3.0  # between SIGTERM and SIGKILL
    maximum_events: int = 5_000
    maximum_bytes: int = 8_000_000  # of all events of an attempt
    received_bytes: int = 32_000_000  # that a server may say in an attempt
    memory_bytes: int = 1_000_000_000  # of address space, for each process of an attempt
    file_bytes: int = 64_000_000  # of each file an attempt writes
    free_bytes: int = 64_000_000  # that must be left where attempts live

    def __post_init__(self) -> None:
        for name in ("project_root", "run_root", "private_key"):
            if not _PATH.fullmatch(str(getattr(self, name))):
                raise InvalidInput(
                    name,
                    f"{shown(str(getattr(self, name)))} is not usable",
                    "use an absolute path of A-Z a-z 0-9 /._@+-",
                )
