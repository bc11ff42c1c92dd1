"""What is kept of a plan fits into a row, whatever the servers said, and what matters most finds room first."""

from __future__ import annotations

import json

from orchestrator.core.states import Outcome
from orchestrator.dispatch.plans import kept
from orchestrator.dispatch.rehearsal import Finding, PlannedStep

TEXT_OF_MARIADB = 65_535


def finding(name: str, would: Outcome = Outcome.CHANGED, diff: str = "", message: str = "") -> Finding:
    """Return what a server said of a step."""
    step = PlannedStep(step=f"{name}@web1", action="web.domain_present", server="web1", needs=(), request=None)
    return Finding(step=step, would=would, message=message, diffs=(diff,) if diff else ())


def test_what_fits_is_kept_whole() -> None:
    found = kept([finding("a", diff="-1\n+2\n"), finding("b", Outcome.OK), finding("c", Outcome.FAILED, message="no")])
    assert found["left_out"] == 0
    assert [(one["step"], one["server"], one["would"], one["message"], one["diff"]) for one in found["steps"]] == [
        ("a@web1", "web1", "changed", "", "-1\n+2\n"),
        ("b@web1", "web1", "ok", "", ""),
        ("c@web1", "web1", "failed", "no", ""),
    ]
    assert not any(one["cut"] for one in found["steps"])


def test_a_long_diff_is_cut_after_a_line_and_takes_no_room_from_short_ones() -> None:
    long = "".join(f"+line {number}\n" for number in range(5000))
    *short, last = kept(
        [*(finding(f"s{number}", diff="+short\n") for number in range(20)), finding("long", diff=long)]
    )["steps"]
    assert {(one["diff"], one["cut"]) for one in short} == {("+short\n", False)}
    assert last["cut"] and long.startswith(last["diff"]) and last["diff"].endswith("\n")
    assert 7_000 < len(json.dumps(last["diff"])) <= 8_002


def test_the_worst_fits() -> None:
    line, message = "\N{PILE OF POO}" * 20 + "\n", "\x7f\N{PILE OF POO}\n" * 9000
    found = kept([finding("x" * 150 + str(number), Outcome.FAILED, line * 800, message) for number in range(700)])
    assert len(json.dumps(found)) < TEXT_OF_MARIADB
    assert found["steps"] and found["left_out"] == 700 - len(found["steps"])
    assert any(one["diff"] for one in found["steps"])


def test_what_has_nothing_to_do_makes_room() -> None:
    quiet = [finding(f"{number:0150}", Outcome.OK) for number in range(400)]
    found = kept([*quiet, finding("changes", diff="+1\n"), finding("fails", Outcome.FAILED)])
    assert [one["step"] for one in found["steps"]][-2:] == ["changes@web1", "fails@web1"]
    assert found["left_out"] > 0
    assert [one["step"] for one in found["steps"]] == sorted(one["step"] for one in found["steps"])


def test_one_line_that_does_not_fit_is_left_out_and_said_so() -> None:
    [one] = kept([finding("a", diff="+" + "x" * 20_000)])["steps"]
    assert (one["diff"], one["cut"]) == ("", True)
