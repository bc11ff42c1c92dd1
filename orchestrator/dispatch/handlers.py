"""What tasks are carried out with, handed in by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.records import RunResult
from orchestrator.execute.base import Executor
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan.snapshot import ServiceView

Apply = Callable[[], dict[str, Any]]
Ended = tuple[RunResult, Apply | None]  # and what is stored with it
Intents = Mapping[str, Callable[[Task], Apply]]  # action -> prepare; what it returns runs in the transaction
Locals = Mapping[str, Callable[[Task], dict[str, Any]]]
Outside = Mapping[str, Callable[[Task, Callable[[], bool]], Apply]]  # asks the world first; what it returns is recorded
Looks = Mapping[str, Callable[[Task, Callable[[], bool]], dict[str, Any] | None]]  # what was seen; None: cancelled
Complete = Callable[[Task, ServiceView], ServiceView]
Questions = Mapping[str, Callable[[Server], dict[str, Any]]]  # action on a server -> parameters of its job
Answers = Mapping[str, Callable[[Task, RunResult], dict[str, Any]]]  # action -> what stores a successful result


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """What the composition root hands in: this package knows neither what an intent means nor how a playbook is run."""

    intents: Intents
    locals: Locals
    executor: Executor
    outside: Outside = field(default_factory=dict)
    looks: Looks = field(default_factory=dict)  # intents that ask the servers and change nothing
    complete: Complete = lambda _, service: service  # adds what only a step that runs may see
    questions: Questions = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)
