"""What a node may say: nothing wrong is believed, and nothing that is missing becomes 0."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import InvalidInput
from orchestrator.plan.usage import status
from orchestrator.plan.usage.metrics import METRICS
from orchestrator.plan.usage.reading import Known, Reading, read

KNOWN = Known(
    services={"s1": 1, "s2": 2},
    boxes={1: frozenset({"a@shop.test"})},
    first_day=20261124,
    last_day=20261126,
)
GOOD = {
    "disk": 5,
    "files": 1,
    "age": 0,
    "databases": 0,
    "database_bytes": 0,
    "sftp": 0,
    "cron": 0,
    "days": "20261125:1:2",
}
HOSTILE: tuple[Any, ...] = (
    float("nan"),
    float("inf"),
    1e308,
    2**63,
    2**200,
    -1,
    True,
    None,
    "5",
    "1; DROP TABLE services",
    "<script>alert(1)</script>",
    "\x1b[2J\x00",
    "\ud800",
    "{{ 7*7 }}",
    [5],
    {"disk": 5},
    1.5,
)


def report(**accounts: Any) -> dict[str, Any]:
    return {"through": 20261125, "complete": True, "accounts": accounts}


def believed(reading: Reading) -> list[int]:
    days = [value for days in reading.days.values() for counted in days.values() for value in counted.values()]
    return [value for figures in reading.figures.values() for value in figures.values()] + days


def test_a_good_report_is_believed() -> None:
    reading = read("web", report(s1=GOOD, s2=GOOD), KNOWN)
    assert reading.problems == [] and reading.complete
    assert reading.figures[1]["web_disk"] == 5
    assert reading.days[2] == {20261125: {"web_in": 1, "web_out": 2}}


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("key", [*GOOD])
def test_a_hostile_value_is_refused_alone_and_told(key: str, value: Any) -> None:
    reading = read("web", report(s1=GOOD | {key: value}, s2=GOOD), KNOWN)
    assert reading.problems, (key, value)
    assert all(type(one) is int and 0 <= one <= 2**50 for one in believed(reading))
    assert reading.figures[2]["web_disk"] == 5 and reading.days[2]
    assert all(text.isprintable() and len(text) < 300 for text in reading.problems)
    assert 0 not in [reading.figures[1].get("web_disk")]


@pytest.mark.parametrize(
    "value", [*HOSTILE, "20261125:1", "20261125:-1:1", "20270101:1:1", f"20261125:1:{2**50 + 1}"], ids=repr
)
def test_hostile_days_and_boxes_are_refused(value: Any) -> None:
    reading = read("web", report(s1=GOOD | {"days": value}), KNOWN)
    assert reading.problems and reading.days[1] == {}
    mail = {"mailboxes": 1, "boxes": [value], "days": ""}
    found = read("mail", report(s1=mail), KNOWN)
    assert found.problems and found.boxes[1] == [] and "mail_disk" not in found.figures[1]


def test_another_services_mailbox_and_other_servers_accounts_are_refused() -> None:
    mail = {"mailboxes": 1, "boxes": ["b@other.test 5 1"], "days": ""}
    found = read("mail", report(s1=mail, s9=mail), KNOWN)
    assert "mail_disk" not in found.figures[1] and 9 not in found.figures
    assert len(found.problems) == 2


def test_mail_is_told_only_when_every_mailbox_was() -> None:
    mail = {"mailboxes": 2, "boxes": ["a@shop.test 5 1"], "days": "20261125:0:1"}
    found = read("mail", report(s1=mail), KNOWN)
    assert found.boxes[1] == [("a@shop.test", 5, 1)] and "mail_disk" not in found.figures[1]
    assert read("mail", report(s1=mail | {"mailboxes": 1}), KNOWN).figures[1]["mail_disk"] == 5


@pytest.mark.parametrize("said", [None, [], "x", 5, {}, {"accounts": []}, {"accounts": None}])
def test_what_is_no_report_is_refused_whole(said: Any) -> None:
    with pytest.raises(InvalidInput):
        read("web", said, KNOWN)


def test_a_hundred_thousand_strangers_cost_little_and_are_one_sentence() -> None:
    said = report(**{f"s{number}": GOOD for number in range(10, 100_010)}, s1=GOOD)
    tracemalloc.start()
    reading = read("web", said, KNOWN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(reading.figures) == [1] and len(reading.problems) == 1
    assert peak < 8_000_000


def test_problems_are_bounded() -> None:
    said = report(s1=GOOD | {f"k{number}": 1 for number in range(100_000)})
    assert len(read("web", said, KNOWN).problems) == 21


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_KEYS = st.sampled_from([*GOOD, "boxes", "mailboxes", "zones", "records"])


@given(st.sampled_from(["web", "mail", "dns"]), st.dictionaries(_KEYS, _JSON), _JSON, _JSON)
def test_whatever_is_said_only_bounded_whole_numbers_of_known_services_are_believed(
    role: str, account: dict[str, Any], through: Any, complete: Any
) -> None:
    said = {"through": through, "complete": complete, "accounts": {"s1": account, "s2": account, "s3": account}}
    reading = read(role, said, KNOWN)
    assert set(reading.figures) <= {1, 2}
    assert all(type(one) is int and 0 <= one <= 2**50 for one in believed(reading))
    assert all(name in METRICS for figures in reading.figures.values() for name in figures)
    json.dumps(reading.problems).encode()


STATUS = {
    "load": {"load1": 0.1, "load5": 0.1, "load15": 0.1, "processors": 2},
    "busy": 0.5,
    "memory": {"total": 2, "available": 1, "swap_total": 0, "swap_free": 0},
    "disks": {"root": {"total": 9, "free": 3, "inodes": 5, "inodes_free": 5}},
    "packages": {"nginx-light": "1.22.1-9+deb12u1"},
    "reboot_needed": False,
    "uptime": 5,
    "kernel": "6.1.0-1-amd64",
}


def test_a_good_status_is_kept_as_it_is() -> None:
    assert status.read(STATUS) == STATUS


@pytest.mark.parametrize("key", [*STATUS])
@pytest.mark.parametrize("value", [*HOSTILE[:6], "<b>", [], {"<b>": "<b>"}, {"a b": {}}], ids=repr)
def test_a_hostile_status_is_refused(key: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        status.read(STATUS | {key: value})
