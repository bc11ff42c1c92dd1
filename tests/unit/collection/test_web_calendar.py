"""A cron schedule in systemd's calendar means the same minutes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import web_calendar
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed
from hypothesis import given, settings
from hypothesis import strategies as st

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LINE = re.compile(r"(?:([A-Za-z,]+) )?\*-([\d,*]+)-([\d,*]+) ([\d,*]+):([\d,*]+):00")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["*-*-* *:*:00"]),
        ("30 4 * * *", ["*-*-* 04:30:00"]),
        ("*/20 8-18/5 * * mon-fri", ["Mon,Tue,Wed,Thu,Fri *-*-* 08,13,18:00,20,40:00"]),
        ("0,30,5-7 0 1,15 jan,JUL *", ["*-01,07-01,15 00:00,05,06,07,30:00"]),
        ("0 0 13 * 5", ["*-*-13 00:00:00", "Fri *-*-* 00:00:00"]),
        ("0 0 */2 * 1", ["Mon *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00"]),
        ("0 0 1 * */2", ["Sun,Tue,Thu,Sat *-*-01 00:00:00"]),
        ("0 0 * * 0,7", ["Sun *-*-* 00:00:00"]),
        ("0 0 * * 5-7", ["Fri,Sat,Sun *-*-* 00:00:00"]),
        ("0 0 30 2 1", ["*-02-30 00:00:00", "Mon *-02-* 00:00:00"]),
        ("17 4 29 2 *", ["*-02-29 04:17:00"]),
        ("@hourly", ["*-*-* *:00:00"]),
        ("@daily", ["*-*-* 00:00:00"]),
        ("@weekly", ["Sun *-*-* 00:00:00"]),
        ("@monthly", ["*-*-01 00:00:00"]),
    ],
)
def test_a_schedule_becomes_calendar_lines(schedule: str, expected: list[str]) -> None:
    assert web_calendar.calendar(schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "* * * * * *",
        "*  * * * *",
        " * * * * *",
        "* * * * *\n",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 8",
        "5/15 * * * *",
        "*/0 * * * *",
        "*-5 * * * *",
        "5-1 * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "1- * * * *",
        "a * * * *",
        "jan * * * *",
        "* * * mon *",
        "* * * * january",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "@reboot",
        "@yearly",
        "*-*-* 00:00:00",
        "\u0661 * * * *",
        "0 0 * * *" + ",0" * 200,
    ],
)
def test_anything_else_is_refused(schedule: str) -> None:
    with pytest.raises(StepFailed) as failure:
        web_calendar.calendar(schedule)
    assert failure.value.reason == "invalid"
    assert "\n" not in str(failure.value)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """Return texts of one field: a star, or a list of numbers, ranges and steps."""
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    part = st.one_of(
        number.map(str),
        pair.map(lambda two: f"{two[0]}-{two[1]}"),
        st.tuples(pair, st.integers(1, 9)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )
    return st.one_of(
        st.just("*"),
        st.integers(1, 9).map(lambda step: f"*/{step}"),
        st.lists(part, min_size=1, max_size=3).map(",".join),
    )


def means(text: str, low: int, high: int) -> set[int]:
    """Return the numbers of a field, worked out in another way than the code under test."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start, end = (low, high) if first == "*" else (int(first), int(last or first))
        found |= {
            number
            for number in range(low, high + 1)
            if start <= number <= end and (number - start) % int(step or 1) == 0
        }
    return found


def cron_runs(schedule: str, at: datetime) -> bool:
    """Say as crontab(5) does whether a job runs in a minute."""
    minute, hour, day, month, week = schedule.split()
    in_day = at.day in means(day, 1, 31)
    in_week = bool({at.isoweekday() % 7, at.isoweekday()} & means(week, 0, 7))
    either = not day.startswith("*") and not week.startswith("*")
    on = (in_day or in_week) if either else (in_day and in_week)
    return (
        on and at.minute in means(minute, 0, 59) and at.hour in means(hour, 0, 23) and at.month in means(month, 1, 12)
    )


def systemd_runs(lines: list[str], at: datetime) -> bool:
    """Say as systemd.time(7) does whether a timer elapses in a minute."""
    for line in lines:
        found = LINE.fullmatch(line)
        assert found, line
        week = found[1].split(",") if found[1] else DAYS
        values = (at.month, at.day, at.hour, at.minute)
        texts = (found[2], found[3], found[4], found[5])
        fits = [text == "*" or value in map(int, text.split(",")) for text, value in zip(texts, values, strict=True)]
        if DAYS[at.weekday()] in week and all(fits):
            return True
    return False


@settings(max_examples=200, deadline=None)
@given(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7), st.integers(0, 1500))
def test_both_mean_the_same_minutes(minute: str, hour: str, day: str, month: str, week: str, days: int) -> None:
    schedule = f"{minute} {hour} {day} {month} {week}"
    lines = web_calendar.calendar(schedule)
    start = datetime(2026, 1, 1) + timedelta(days=days)
    for step in range(400):
        at = start + timedelta(minutes=step * 217)
        assert cron_runs(schedule, at) == systemd_runs(lines, at), (schedule, lines, at)
