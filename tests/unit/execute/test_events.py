"""From ansible-runner's events to a few bounded fields; nothing that a node wrote passes for one."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.execute import events
from orchestrator.execute.text import Mask

TOKEN = 2**61 + 7
MASK = Mask({"password": "correct horse"})


def event(result: Any, kind: str = "runner_on_ok", **more: Any) -> dict[str, Any]:
    data = {"task": "Ensure it", "resolved_action": "ansible.builtin.command", "host": "web1", "res": result, **more}
    return {"event": kind, "event_data": data, "job_id": TOKEN}


def compact(result: Any, kind: str = "runner_on_ok", **more: Any) -> dict[str, Any]:
    line = events.accept(event(result, kind, **more), TOKEN, MASK)
    assert line is not None
    return line


@pytest.mark.parametrize("token", [None, 0, 1, str(TOKEN), True, [TOKEN]])
def test_an_event_without_the_token_is_none(token: Any) -> None:
    assert events.accept({**event({}), "job_id": token}, TOKEN, MASK) is None
    assert events.accept({**event({}, "playbook_on_stats"), "job_id": token}, TOKEN, MASK) is None


def test_what_is_printed_is_text_and_nothing_else() -> None:
    line = events.accept({"event": "verbose", "stdout": "\x1b[31mERROR! correct horse\x1b[0m"}, TOKEN, MASK)
    assert line == {"kind": "text", "text": "ERROR! (hidden)"}
    assert events.accept({"event": "verbose", "stdout": " \n"}, TOKEN, MASK) is None


@pytest.mark.parametrize(
    "result", [None, [], "x", 7, {"results": "x"}, {"diff": [1, None]}, {"msg": {"a": 1}, "reason": 5}]
)
def test_any_shape_of_a_result_is_survived(result: Any) -> None:
    assert compact(result, "runner_on_failed")["reason"] == ""


def test_a_failed_item_speaks_for_its_loop() -> None:
    items = [{"failed": False, "msg": "fine"}, {"failed": True, "msg": "broken", "reason": "probe"}]
    line = compact({"msg": "One or more items failed", "results": items}, "runner_on_failed")
    assert (line["message"], line["reason"]) == ("broken", "probe")


def test_a_message_is_bounded_and_has_no_secret() -> None:
    line = compact({"msg": "correct horse " + "x" * 100_000}, "runner_on_failed")
    assert len(line["message"]) == 2_000
    assert line["message"].startswith("(hidden) x")


def test_only_yes_is_a_change() -> None:
    assert [compact({"changed": value})["changed"] for value in (True, False, "true", 1, None)] == [True, *[False] * 4]


def test_a_diff_is_unified_bounded_and_has_no_secret() -> None:
    sides = {"before_header": "/etc/x", "after_header": "/etc/x", "before": "a\nold\n", "after": "a\ncorrect horse\n"}
    diff = compact({"diff": sides})["diff"]
    assert diff.splitlines()[-2:] == ["-old", "+(hidden)"]
    large = {"before": "", "after": "line\n" * 1_000_000}
    assert len(compact({"diff": [large] * 50})["diff"]) == 16_384
    assert compact({"diff": {"before": {"a": 1}, "after": {"a": 2}}})["diff"].count("\n") > 3


def test_a_report_beyond_measure_is_not_sent() -> None:
    report = {"changed": False, "facts": {"a": "x" * 2_000_001}, "usage": {}, "warnings": []}
    assert compact({"report": report}, resolved_action="tenantry.hosting.report")["report"] is None


def test_a_hidden_result_says_nothing() -> None:
    assert compact({"censored": "the output has been hidden", "changed": True})["changed"] is True
