"""From what an attempt said to how it ended. Pure: no clock, no file, no process.

The exit code alone decides nothing: ansible leaves with 0 when no host matched and with 4 for more than one cause. A step has
succeeded only when its report arrived, no task of its host failed and ansible itself came to its end.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.core.records import Host, RunResult, StepEvent
from orchestrator.core.states import Outcome
from orchestrator.execute import reachability, report, target
from orchestrator.execute.supervise import Cause, Ended
from orchestrator.execute.text import sentence

# The reasons a module may give; see the collection's module_utils/step.py.
_REASONS = frozenset(
    {
        *("invalid", "conflict", "missing_software", "config_broken", "rejected", "probe", "command"),
        *("fenced", "busy", "unsafe_path", "disk_full"),
    }
)
_TERMINAL = {"invalid": Outcome.INVALID, "conflict": Outcome.INVALID, "fenced": Outcome.FENCED}
_ARGUMENT_CHECK = "ansible.builtin.validate_argument_spec"
_PREFLIGHT = "/playbooks/_tasks/preflight.yml:"
_DIFF_CHARACTERS = 65_536  # of an attempt
_STATUS = {"runner_on_failed": "failed", "runner_on_unreachable": "unreachable", "runner_on_skipped": "skipped"}
# ansible's own exit codes: 2 and 4 when a host failed or was not reached, which need not be the one that is asked about.
_ENDED_WELL, _ENDED = (0,), (0, 2, 4)
_Line = Mapping[str, Any]
_SILENT = "the playbook ended without a report; does it match this server's roles?"
BAD_REPORT = "bad_report"
NO_REPORT = RunResult(outcome=Outcome.LOST, reason="no_report", message=_SILENT)


def classify(ended: Ended, host: Host, timeout_seconds: int) -> RunResult:
    """Return how the attempt ended; its duration is for the caller to fill in."""
    tasks = _tasks(ended.lines, host.name)
    outcome = _stopped(ended, timeout_seconds) or _finished(ended, tasks, host, host.name, _ENDED_WELL)
    return RunResult(**{**outcome, "events": step_events(tasks)})


def classify_each(ended: Ended, host: Host, count: int) -> list[RunResult | None]:
    """Return how each job of a run for several ended; None where the run does not tell, and the job has to run alone.

    A run that was stopped tells of none: what stopped it may have been another's.
    """
    if ended.cause is not Cause.EXIT or _has(ended.lines, "flood"):
        return [None] * count
    return [_one_of_several(ended, host, alias) for alias in target.aliases(host, count)]


def classify_stage(lines: Sequence[_Line], host: Host, alias: str) -> RunResult | None:
    """Return how a job ended whose play another one follows; None when the play did not tell.

    A host that failed is not in the plays that follow, so a report after which nothing failed is a success: what failed
    before it was rescued.
    """
    tasks = _tasks(lines, alias)
    ended = [line for line in tasks if _is_report(line) or _is_end(line)]
    if not ended:
        return None
    last = ended[-1]
    if last["event"] == "runner_on_unreachable":
        outcome = _unreachable(last, host)
    elif _is_report(last):
        outcome = _reported(last, any(line.get("changed") for line in tasks))
    else:
        outcome = _failed(last)
    return RunResult(**{**outcome, "events": step_events(tasks)})


def _is_end(line: _Line) -> bool:
    """True for the event of a task after which a host does nothing more, unless something rescues it."""
    failed = line["event"] == "runner_on_failed" and not line.get("ignored")
    return failed or line["event"] == "runner_on_unreachable"


def _one_of_several(ended: Ended, host: Host, alias: str) -> RunResult | None:
    tasks = _tasks(ended.lines, alias)
    outcome = _finished(ended, tasks, host, alias, _ENDED)
    return None if outcome["outcome"] is Outcome.LOST else RunResult(**{**outcome, "events": step_events(tasks)})


def _tasks(lines: Iterable[_Line], alias: str) -> list[_Line]:
    return [line for line in lines if line.get("kind") == "task" and line.get("host") == alias]


def _stopped(ended: Ended, timeout_seconds: int) -> dict[str, Any] | None:
    """Return the result of an attempt that we ended."""
    current = _last(ended.lines, "start")
    during = f" during “{current['task']}”" if current else " before its first task"
    if ended.cause is Cause.CANCELLED:
        return _result(Outcome.CANCELLED, "cancelled", f"stopped on request{during}")
    if ended.cause is Cause.TIMEOUT:
        return _result(Outcome.TIMEOUT, "timeout", f"took longer than {timeout_seconds} s and was stopped{during}")
    if ended.cause is Cause.IDLE:
        return _result(Outcome.TIMEOUT, "idle", f"gave no sign of life for too long and was stopped{during}")
    if ended.cause is Cause.FLOOD or _has(ended.lines, "flood"):
        return _result(Outcome.FAILED, "output_flood", f"said far too much and was stopped{during}")
    return None


def _finished(ended: Ended, tasks: Sequence[_Line], host: Host, alias: str, codes: Container[Any]) -> dict[str, Any]:
    """Return the result of an attempt that came to an end by itself, for the job of the host with this alias."""
    unreachable = [line for line in tasks if line["event"] == "runner_on_unreachable"]
    if unreachable:
        return _unreachable(unreachable[-1], host)
    statistics = _last(ended.lines, "stats")
    end = _last(ended.lines, "end")
    if statistics is None or end is None:
        return _lost(ended)
    failures = [line for line in tasks if line["event"] == "runner_on_failed" and not line.get("ignored")]
    clean = not _counted(statistics, alias, ("failures", "dark"))
    if failures and not clean:
        return _failed(failures[-1])
    reports = [line for line in tasks if _is_report(line)]
    if reports and clean and end.get("code") in codes:
        return _reported(reports[-1], any(line.get("changed") for line in tasks))
    return _lost(ended)


def _is_report(line: _Line) -> bool:
    """True for the event of the report task: an action of the controller, so no node can send one."""
    return (line["event"], line["action"]) == ("runner_on_ok", report.ACTION)


def _reported(line: _Line, changed: bool) -> dict[str, Any]:
    """Return the result of a success; ``changed``: some task says that it changed something."""
    try:
        found = report.parse(line.get("report"))
    except report.BadReport as error:
        return _result(Outcome.FAILED, BAD_REPORT, f"the server's answer cannot be used: {error}")
    outcome = Outcome.CHANGED if found.changed or changed else Outcome.OK
    return {"outcome": outcome, "facts": found.facts, "usage": found.usage, "warnings": found.warnings}


def _unreachable(line: _Line, host: Host) -> dict[str, Any]:
    reason, message = reachability.explain(str(line.get("message", "")), host.name, host.address)
    return _result(Outcome.UNREACHABLE, reason, message)


def _failed(line: _Line) -> dict[str, Any]:
    said = sentence(str(line.get("message", ""))) or "no message"
    if line["action"] == _ARGUMENT_CHECK or _PREFLIGHT in line.get("path", ""):
        return _result(Outcome.INVALID, "invalid", said)
    reason = line.get("reason") if line.get("reason") in _REASONS else ""
    return _result(_TERMINAL.get(str(reason), Outcome.FAILED), str(reason), f"{line['task']}: {said}")


def _lost(ended: Ended) -> dict[str, Any]:
    """Return the result of a run that ended without telling how the step went."""
    broken, end = _last(ended.lines, "broken"), _last(ended.lines, "end")
    said = [str(line.get("text", "")) for line in ended.lines if line.get("kind") == "text"]
    if broken is not None:
        cause = f"ansible-runner broke: {sentence(str(broken.get('message', '')), 300)}"
    elif end is None:
        cause = "the process that ran ansible was killed"
    elif _has(ended.lines, "stats"):
        cause = _SILENT
    else:
        cause = f"ansible ended with code {end.get('code')} before it began"
    details = sentence(" ".join(said[-6:]) or ended.complaint[-600:], 400)
    return _result(Outcome.LOST, "no_report", f"{cause}: {details}" if details else cause)


def _result(outcome: Outcome, reason: str, message: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "message": sentence(message, 800)}


def _has(lines: Iterable[_Line], kind: str) -> bool:
    return any(line.get("kind") == kind for line in lines)


def _last(lines: Sequence[_Line], kind: str) -> _Line | None:
    return next((line for line in reversed(lines) if line.get("kind") == kind), None)


def _counted(statistics: _Line, alias: str, names: Iterable[str]) -> bool:
    return any(statistics.get(name, {}).get(alias) for name in names)


def step_events(tasks: Iterable[_Line]) -> tuple[StepEvent, ...]:
    """Return the tasks for people and the log; the diffs together are bounded."""
    events, room = [], _DIFF_CHARACTERS
    for line in tasks:
        diff = str(line.get("diff", ""))[:room]
        room -= len(diff)
        events.append(
            StepEvent(
                task=line["task"],
                status=_STATUS.get(line["event"], "changed" if line.get("changed") else "ok"),
                duration_seconds=round(line["seconds"], 3),
                message=sentence(str(line.get("message", ""))),
                diff=diff,
            )
        )
    return tuple(events)
