"""Frozen records that cross a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.states import Outcome

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Host:
    """A server as a run sees it."""

    name: str
    address: str  # IP address or host name, already validated
    port: int = 22
    login: str = "deploy"
    roles: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()  # pinned: "ssh-ed25519 AAAA...", without the name


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One attempt at one playbook on one server."""

    action: str  # "web.domain_present"; the playbook is playbooks/web/domain_present.yml
    host: Host
    job: Mapping[str, Any]  # what the playbook reads; see docs/reference/job-file.md
    timeout_seconds: int
    check: bool = False  # --check --diff: change nothing


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """One task of a play, as far as people and the log need it."""

    task: str
    status: str  # ok, changed, failed, unreachable, skipped
    duration_seconds: float = 0.0
    message: str = ""  # bounded, control characters removed
    diff: str = ""  # bounded


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How an attempt ended."""

    outcome: Outcome
    message: str = ""  # one sentence for a support person; empty on success
    reason: str = ""  # machine word of the failure: rejected, config_broken, host_key, ...
    facts: Json = field(default_factory=dict)
    usage: Json = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    events: tuple[StepEvent, ...] = ()
    duration_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """A task to be created: one action on one target."""

    key: str  # unique within its operation: "web.domain_present@web1"
    action: str
    server: str | None = None  # None: a local step of the orchestrator
    params: Json = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # keys of steps that must be done first


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps an intent fans out into, as a graph."""

    steps: tuple[StepSpec, ...]

    def by_key(self) -> dict[str, StepSpec]:
        """Return the steps by their key."""
        return {step.key: step for step in self.steps}
