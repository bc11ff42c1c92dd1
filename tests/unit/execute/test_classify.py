"""From events to an outcome: every way in which an attempt can end."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.records import Host, RunResult
from orchestrator.core.states import Outcome
from orchestrator.execute import events
from orchestrator.execute.classify import classify, classify_each
from orchestrator.execute.supervise import Cause, Ended
from orchestrator.execute.text import Mask

HOST = Host(name="web1", address="10.77.0.11")
REPORT: dict[str, Any] = {"changed": False, "facts": {}, "usage": {}, "warnings": []}
CLEAN = {"kind": "stats", "ok": {"web1": 2}, "failures": {}, "dark": {}, "processed": {"web1": 1}}
FAILURES = {**CLEAN, "failures": {"web1": 1}}
DARK = {**CLEAN, "dark": {"web1": 1}}


def end(code: int | None = 0) -> dict[str, Any]:
    return {"kind": "end", "status": "", "code": code}


def task(event: str = "ok", action: str = "ansible.builtin.command", **more: Any) -> dict[str, Any]:
    line = {
        "kind": "task",
        "event": f"runner_on_{event}",
        "task": "Ensure it",
        "action": action,
        "path": "",
        "host": "web1",
    }
    return {**line, "seconds": 0.1, "changed": False, "ignored": False, "diff": "", **more}


def report(value: Any = REPORT, **more: Any) -> dict[str, Any]:
    return task(action="tenantry.hosting.report", report=value, **more)


def of(*lines: dict[str, Any], cause: Cause = Cause.EXIT, complaint: str = "") -> RunResult:
    return classify(Ended(cause, list(lines), complaint), HOST, 60)


def test_a_report_and_no_failure_is_a_success() -> None:
    assert of(task(), report(), CLEAN, end()).outcome is Outcome.OK
    assert of(task(), report({**REPORT, "changed": True}), CLEAN, end()).outcome is Outcome.CHANGED
    assert of(task(changed=True), report(), CLEAN, end()).outcome is Outcome.CHANGED


def test_the_last_report_counts() -> None:
    first, last = ({**REPORT, "facts": {"n": n}} for n in (1, 2))
    assert of(report(first), report(last), CLEAN, end()).facts == {"n": 2}


@pytest.mark.parametrize(
    "forged",
    [
        task(report=REPORT),  # a module's result that holds a report
        task(action="report", report=REPORT),
        task(action="other.collection.report", report=REPORT),
        report(host="web2"),
        report(event="runner_on_skipped"),
        report(event="runner_on_failed", ignored=True, message=""),
    ],
)
def test_what_is_no_report_of_this_host_is_none(forged: dict[str, Any]) -> None:
    assert of(forged, CLEAN, end()).outcome is Outcome.LOST


def test_a_forged_report_in_a_modules_result_is_not_even_sent() -> None:
    data = {
        "task": "Ensure it",
        "resolved_action": "ansible.builtin.command",
        "res": {"report": REPORT},
        "host": "web1",
    }
    line = events.compact({"event": "runner_on_ok", "event_data": data}, Mask({}))
    assert line is not None
    assert "report" not in line


@pytest.mark.parametrize(
    ("code", "statistics"),
    [(2, CLEAN), (4, CLEAN), (250, CLEAN), (None, CLEAN), (0, FAILURES), (0, DARK), (4, {"kind": "stats"})],
)
def test_a_report_alone_is_no_success(code: int | None, statistics: dict[str, Any]) -> None:
    assert of(report(), statistics, end(code)).outcome is Outcome.LOST


@pytest.mark.parametrize(
    "lines",
    [
        [CLEAN, end()],  # no host matched, or a play without a report: exit code 0
        [end(4)],  # a playbook that does not parse leaves with the code of an unreachable host
        [end(1)],
        [],
        [task(), report()],  # killed before the statistics
        [task(), report(), CLEAN],  # the helper was killed
        [task("failed", message="half a story", reason="invalid")],
    ],
)
def test_a_run_that_did_not_come_to_its_end_is_lost(lines: list[dict[str, Any]]) -> None:
    result = of(*lines)
    assert (result.outcome, result.reason) == (Outcome.LOST, "no_report")


def test_a_lost_run_says_what_is_known() -> None:
    text = {"kind": "text", "text": "ERROR! no such module"}
    assert of(text, end(4)).message == "ansible ended with code 4 before it began: ERROR! no such module"
    assert "was killed: oops" in of(complaint="oops").message
    assert "broke: KeyError" in of({"kind": "broken", "message": "KeyError: 'x'"}).message


def test_unreachable_is_what_the_event_says_not_the_exit_code() -> None:
    line = task("unreachable", message="ssh: connect to host 10.77.0.11 port 22: No route to host")
    result = of(line, DARK, end(4))
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "tcp")
    assert of(task("failed", message="no"), FAILURES, end(4)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Host key verification failed.", "host_key"),
        ("No ED25519 host key is known for 10.77.0.11 and you have requested strict checking.", "host_key"),
        ("ssh: Could not resolve hostname web1.test: Name or service not known", "dns"),
        ("deploy@10.77.0.11: Permission denied (publickey).", "login"),
        ("Timeout, server 10.77.0.11 not responding.", "lost_connection"),
        (
            "mux_client_hello_exchange: write packet: Broken pipe\nssh: connect to host x port 1: Connection refused",
            "tcp",
        ),
        ("Shared connection to 10.77.0.11 closed.", "lost_connection"),
        ("ssh: connect to host 10.77.0.11 port 22: Connection timed out", "timeout"),
        ("ssh: connect to host 10.77.0.11 port 22: Connection refused", "tcp"),
        ("kex_exchange_identification: read: Connection reset by peer", "lost_connection"),
        ("something new", "unreachable"),
    ],
)
def test_ssh_is_understood(said: str, reason: str) -> None:
    result = of(task("unreachable", message=said), DARK, end(4))
    assert result.reason == reason
    assert "web1" in result.message


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("invalid", Outcome.INVALID),
        ("conflict", Outcome.INVALID),
        ("fenced", Outcome.FENCED),
        ("busy", Outcome.FAILED),
        ("config_broken", Outcome.FAILED),
        ("made_up", Outcome.FAILED),
    ],
)
def test_the_reason_of_a_module_decides(reason: str, outcome: Outcome) -> None:
    result = of(task("failed", message="nginx says no", reason=reason), FAILURES, end(2))
    assert result.outcome is outcome
    assert result.reason == ("" if reason == "made_up" else reason)
    assert result.message == "Ensure it: nginx says no"


def test_refused_arguments_and_a_wrong_job_are_bad_input() -> None:
    check = task("failed", action="ansible.builtin.validate_argument_spec", message="domain: missing")
    assert of(check, FAILURES, end(2)).outcome is Outcome.INVALID
    preflight = task("failed", path="/srv/playbooks/_tasks/preflight.yml:3", message="The job file is for x")
    assert of(preflight, FAILURES, end(2)).message == "The job file is for x"


def test_ignored_and_rescued_failures_are_none() -> None:
    ignored = task("failed", ignored=True, message="never mind")
    assert of(ignored, report(), CLEAN, end()).outcome is Outcome.OK
    rescued = task("failed", message="went back")
    assert of(rescued, report(), CLEAN, end()).outcome is Outcome.OK


def test_of_several_failures_the_last_one_counts() -> None:
    lines = task("failed", message="first"), task("failed", message="the rescue gave up", reason="probe")
    assert of(*lines, FAILURES, end(2)).reason == "probe"


@pytest.mark.parametrize(
    ("cause", "outcome", "reason"),
    [
        (Cause.TIMEOUT, Outcome.TIMEOUT, "timeout"),
        (Cause.IDLE, Outcome.TIMEOUT, "idle"),
        (Cause.CANCELLED, Outcome.CANCELLED, "cancelled"),
        (Cause.FLOOD, Outcome.FAILED, "output_flood"),
    ],
)
def test_what_we_ended_is_called_so_whatever_it_reported(cause: Cause, outcome: Outcome, reason: str) -> None:
    started = {"kind": "start", "task": "Ensure the long one"}
    result = of(started, report(), CLEAN, end(), cause=cause)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert "during “Ensure the long one”" in result.message
    assert "before its first task" in of(cause=cause).message


def test_a_flood_that_the_helper_noticed() -> None:
    assert of({"kind": "flood"}).reason == "output_flood"


def test_a_bad_report_is_a_failure_without_its_words() -> None:
    result = of(report({**REPORT, "facts": "<script>"}), CLEAN, end())
    assert (result.outcome, result.reason) == (Outcome.FAILED, "bad_report")
    assert "script" not in result.message


def test_events_for_people_are_bounded() -> None:
    result = of(*(task(diff="x" * 10_000, message="m" * 9_000) for _ in range(20)), report(), CLEAN, end())
    assert sum(len(event.diff) for event in result.events) == 65_536
    assert max(len(event.message) for event in result.events) <= 500
    assert {event.status for event in result.events} == {"ok"}


def of_each(*lines: dict[str, Any], cause: Cause = Cause.EXIT) -> list[Outcome | None]:
    found = classify_each(Ended(cause, list(lines), ""), HOST, 2)
    return [one.outcome if one else None for one in found]


SECOND = {"host": "web1~2"}
BOTH = {**CLEAN, "ok": {"web1": 2, "web1~2": 2}, "processed": {"web1": 1, "web1~2": 1}}


def test_each_of_several_ends_as_its_own_tasks_say() -> None:
    changed = {**REPORT, "changed": True, "facts": {"of": "the second"}}
    lines = [report(), report(changed, **SECOND), BOTH, end()]
    first, second = classify_each(Ended(Cause.EXIT, lines, ""), HOST, 2)
    assert first is not None
    assert second is not None
    assert (first.outcome, first.facts, len(first.events)) == (Outcome.OK, {}, 1)
    assert (second.outcome, second.facts, len(second.events)) == (Outcome.CHANGED, {"of": "the second"}, 1)


def test_one_that_failed_does_not_fail_the_other() -> None:
    failed = task("failed", message="it does not work", reason="rejected")
    lines = [failed, report(**SECOND), {**BOTH, "failures": {"web1": 1}}, end(2)]
    assert of_each(*lines) == [Outcome.FAILED, Outcome.OK]
    dark = task("unreachable", message="Connection refused", **SECOND)
    assert of_each(report(), dark, {**BOTH, "dark": {"web1~2": 1}}, end(4)) == [Outcome.OK, Outcome.UNREACHABLE]


@pytest.mark.parametrize("cause", [Cause.TIMEOUT, Cause.IDLE, Cause.CANCELLED, Cause.FLOOD])
def test_a_run_that_was_stopped_tells_of_none(cause: Cause) -> None:
    assert of_each(report(), report(**SECOND), BOTH, end(), cause=cause) == [None, None]


def test_what_a_run_does_not_tell_is_left_open() -> None:
    assert of_each(report(), task(**SECOND), BOTH, end()) == [Outcome.OK, None]  # no report
    assert of_each(report(), report(**SECOND), BOTH) == [None, None]  # ansible did not come to its end
    assert of_each(report(), report(**SECOND), BOTH, end(250)) == [None, None]
    assert of_each({"kind": "flood"}, report(), report(**SECOND), BOTH, end()) == [None, None]
