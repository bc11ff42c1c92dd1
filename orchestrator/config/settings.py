"""Where this installation keeps its things, from the environment, read once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InvalidInput

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Deployment settings; every field is an environment variable ``TENANTRY_<FIELD>``."""

    database_url: str  # sqlite:///file or mysql://user:password@host[:port]/name
    home: Path  # keys and state of this orchestrator, 0700
    run_root: Path  # one private directory an attempt
    ssh_key: Path  # private key that logs in to the servers
    project_root: Path  # playbooks/, roles/ and collections/ lie here
    lease_seconds: int  # how long a task stays ours without a heartbeat
    drain_seconds: int  # how long SIGTERM waits for running steps


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; InvalidInput names the variable that cannot be used."""
    env = os.environ if environment is None else environment
    home = Path(env.get("TENANTRY_HOME") or _default_home(env)).expanduser().absolute()
    return Settings(
        database_url=env.get("TENANTRY_DATABASE_URL") or "sqlite:///tenantry.db",
        home=home,
        run_root=Path(env.get("TENANTRY_RUN_ROOT") or home / "runs").absolute(),
        ssh_key=Path(env.get("TENANTRY_SSH_KEY") or home / "id_ed25519").absolute(),
        project_root=Path(env.get("TENANTRY_PROJECT_ROOT") or PROJECT_ROOT).absolute(),
        lease_seconds=_seconds(env, "TENANTRY_LEASE_SECONDS", 60, 3, 3600),
        drain_seconds=_seconds(env, "TENANTRY_DRAIN_SECONDS", 300, 0, 3600),
    )


def _default_home(env: Mapping[str, str]) -> Path:
    state = env.get("XDG_STATE_HOME")
    return Path(state) / "tenantry" if state else Path("~/.local/state/tenantry")


def _seconds(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InvalidInput(name, f"is {text!r}", f"give whole seconds between {low} and {high}")
    return int(text)
