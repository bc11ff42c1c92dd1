"""From ansible-runner's events to the few bounded fields the orchestrator needs; runs in the helper process."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.execute import report
from orchestrator.execute.text import Mask, clean, sentence

TASK_EVENTS = frozenset({"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"})
_TEXT_EVENTS = frozenset({"error", "verbose", "warning", "system_warning"})
_DIFF_CHARACTERS = 16_384  # of one task
_DIFF_SIDE, _DIFF_LINES = 65_536, 1_500  # of each side that is compared: the work grows with their product
_REPORT_CHARACTERS = 2_000_000
_MESSAGE = 2_000


def accept(event: Mapping[str, Any], token: int, mask: Mask) -> dict[str, Any] | None:
    """Return what is worth sending of an event that ansible itself wrote.

    Only ansible knows the token: what looks like an event in a node's output is not one. What is merely printed bears
    no token; it is kept as text, for it explains a run that never began.
    """
    line = compact(event, mask)
    genuine = event.get("job_id") == token
    return line if line and (genuine or line["kind"] == "text") else None


def compact(event: Mapping[str, Any], mask: Mask) -> dict[str, Any] | None:
    """Return what is worth sending of an event, None when it is of no interest."""
    kind, data = event.get("event"), event.get("event_data")
    if kind in _TEXT_EVENTS:
        said = clean(mask.text(str(event.get("stdout", ""))), keep_lines=True).strip()[:_MESSAGE]
        return {"kind": "text", "text": said} if said else None
    if not isinstance(data, dict):
        return None
    if kind == "playbook_on_play_start":
        return {"kind": "play"}
    if kind == "playbook_on_task_start":
        return {"kind": "start", "task": _name(data, mask)}
    if kind == "playbook_on_stats":
        names = ("ok", "failures", "dark", "processed")
        return {"kind": "stats", **{name: data.get(name) or {} for name in names}}
    return _task(kind, data, mask) if kind in TASK_EVENTS else None


def _task(kind: str, data: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    result = data.get("res")
    result = result if isinstance(result, dict) else {}
    action = str(data.get("resolved_action") or data.get("task_action") or "")
    line = {
        "kind": "task",
        "event": kind,
        "task": _name(data, mask),
        "action": action,
        "path": str(data.get("task_path") or ""),
        "host": data.get("host"),
        "seconds": float(data.get("duration") or 0.0),
        "changed": result.get("changed") is True,
        "ignored": data.get("ignore_errors") is True,
        "diff": _diff(result, mask),
    }
    if kind in ("runner_on_failed", "runner_on_unreachable"):
        line |= _failure(result, mask)
    if action == report.ACTION and kind == "runner_on_ok":
        line["report"] = _report(result.get("report"), mask)
    return line


def _name(data: Mapping[str, Any], mask: Mask) -> str:
    return sentence(mask.text(str(data.get("task") or "")), 200)


def _failure(result: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    cause = _failed_item(result) or result
    reason = cause.get("reason")
    return {
        "message": clean(mask.text(str(cause.get("msg") or "")), keep_lines=True)[:_MESSAGE],
        "reason": reason if isinstance(reason, str) and len(reason) <= 64 else "",
    }


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first failed item of a loop, whose own result says only that some item failed."""
    items = result.get("results")
    failed = (
        (item for item in items if isinstance(item, dict) and item.get("failed")) if isinstance(items, list) else ()
    )
    return next(iter(failed), None)


def _report(value: Any, mask: Mask) -> Any:
    """Return the report with the job's secrets hidden; None when it is far too large to be one."""
    shown = mask.value(value)
    return shown if len(json.dumps(shown)) <= _REPORT_CHARACTERS else None


def _diff(result: Mapping[str, Any], mask: Mask) -> str:
    found = result.get("diff")
    parts = found if isinstance(found, list) else [found]
    pieces: list[str] = []
    length = 0
    for part in parts:
        if length >= _DIFF_CHARACTERS:
            break
        pieces.append(_one_diff(part, mask) if isinstance(part, dict) else "")
        length += len(pieces[-1])
    return "".join(pieces)[:_DIFF_CHARACTERS]


def _one_diff(part: Mapping[str, Any], mask: Mask) -> str:
    if isinstance(part.get("prepared"), str):
        return clean(mask.text(part["prepared"])[:_DIFF_CHARACTERS], keep_lines=True)
    before, after = (_side(part.get(name), mask) for name in ("before", "after"))
    header = sentence(mask.text(str(part.get("after_header") or part.get("before_header") or "")), 400)
    lines = list(difflib.unified_diff(before, after, header, header, lineterm=""))
    lines = lines or [f"--- {header}", f"+++ {header}"]  # something that has no text was done to it
    return "".join(f"{line}\n" for line in lines)


def _side(value: Any, mask: Mask) -> list[str]:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, indent=1, sort_keys=True)
    lines = clean(mask.text(text)[:_DIFF_SIDE], keep_lines=True).splitlines()
    return lines[:_DIFF_LINES]
