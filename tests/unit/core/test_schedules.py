"""When cron jobs run: what crontab(5) allows, in one spelling."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import web_calendar

from orchestrator.core.errors import InvalidInput
from orchestrator.core.schedules import schedule

GOOD = [
    ("* * * * *", "* * * * *"),
    ("  0   3 * * *  ", "0 3 * * *"),
    ("*/5 0-23/2 1,15 * *", "*/5 0-23/2 1,15 * *"),
    ("05 03 01 01 *", "5 3 1 1 *"),
    ("0 0 1 JAN,jul mon-fri", "0 0 1 1,7 1-5"),
    ("0 0 * * sun", "0 0 * * 0"),
    ("0 0 * * 5-7", "0 0 * * 5-7"),
    ("0-10/5,30,59 * * * *", "0-10/5,30,59 * * * *"),
    ("0 0 31 2 1", "0 0 31 2 1"),  # either day is enough
    ("0 0 29 2 *", "0 0 29 2 *"),
    ("@Daily", "@daily"),
    ("@hourly", "@hourly"),
]


@pytest.mark.parametrize(("given", "canonical"), GOOD)
def test_it_has_one_spelling(given: str, canonical: str) -> None:
    assert schedule(given) == canonical
    assert schedule(canonical) == canonical


@pytest.mark.parametrize(
    "given",
    [
        *("", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8"),
        *("5-1 * * * *", "*/0 * * * *", "5/2 * * * *", "*-5 * * * *", "1- * * * *", "a * * * *", "0 0 30 feb *"),
        *("@reboot", "@yearly", "* * * * *\n", "*\t* * * *", "1,,2 * * * *", "٣ * * * *", "0 0 31 4,6,9,11 *"),
    ],
)
def test_what_cron_would_not_understand_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        schedule(given)
    assert caught.value.field == "schedule" and caught.value.remedy


@pytest.mark.parametrize("value", [None, 5, ["* * * * *"], {"minute": 5}])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        schedule(value)


def test_the_node_understands_everything_that_is_let_through() -> None:
    fields = (
        ("*", "0", "*/7", "1-5/2,59"),
        ("*", "23", "0-6"),
        ("*", "1,31", "*/2"),
        ("*", "feb", "jan-mar"),
        ("*", "7", "mon-fri", "sat,sun"),
    )
    for parts in itertools.product(*fields):
        text = " ".join(parts)
        try:
            found = schedule(text)
        except InvalidInput:
            continue
        assert web_calendar.calendar(found)
