"""Logs that are rotated, copied, compressed and cut: each line is read exactly once."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import usage_disk, usage_traffic, web_account
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_logs import Log
from ansible_collections.tenantry.hosting.plugins.module_utils.usage_state import Counters, Days
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan.usage.days import day_of, window


class Folder:
    """A log as a program and logrotate treat it, and what was read of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.known, self.read, self.written = path, "[]", [], []  # type: ignore[var-annotated]
        self.handle = (path / "access.log").open("ab", buffering=0)

    def write(self) -> None:
        line = b"line %06d %s" % (len(self.written), os.urandom(9).hex().encode())
        self.written.append(line)
        self.handle.write(line + b"\n")

    def _shift(self) -> None:
        for number in range(9, 1, -1):
            packed = self.path / f"access.log.{number}.gz"
            if packed.exists():
                packed.rename(self.path / f"access.log.{number + 1}.gz")
        first = self.path / "access.log.1"
        if first.exists():
            with gzip.open(self.path / "access.log.2.gz", "wb") as packed_file:
                packed_file.write(first.read_bytes())
            first.unlink()

    def rotate(self) -> None:
        self._shift()
        (self.path / "access.log").rename(self.path / "access.log.1")
        self.handle.close()
        self.handle = (self.path / "access.log").open("ab", buffering=0)

    def copytruncate(self) -> None:
        self._shift()
        shutil.copy(self.path / "access.log", self.path / "access.log.1")
        os.truncate(self.path / "access.log", 0)

    def collect(self) -> None:
        log = Log(str(self.path), json.loads(self.known), time.monotonic() + 60)
        self.read += list(log.lines())
        self.known = json.dumps(log.entries)

    def lost_run(self) -> None:
        """A run that was killed before its notes were kept."""
        list(Log(str(self.path), json.loads(self.known), time.monotonic() + 60).lines())


@settings(deadline=None, max_examples=150)
@given(
    actions=st.lists(st.sampled_from(["write", "write", "rotate", "copytruncate", "collect", "lost_run"]), max_size=40)
)
def test_every_line_is_read_exactly_once(tmp_path_factory: pytest.TempPathFactory, actions: list[str]) -> None:
    folder = Folder(tmp_path_factory.mktemp("log"))
    since = 0
    for action in actions:
        since = since + 1 if action in ("rotate", "copytruncate") else 0 if action == "collect" else since
        if since > 6:
            continue  # more rotations than files are kept lose lines for everybody
        getattr(folder, action)()
    folder.collect()
    assert sorted(folder.read) == sorted(folder.written)
    folder.handle.close()


def test_a_half_line_is_read_when_it_ends(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.handle.write(b"first\nsec")
    folder.collect()
    assert folder.read == [b"first"]
    folder.handle.write(b"ond\n")
    folder.collect()
    assert folder.read == [b"first", b"second"]


def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "access.log").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        list(Log(str(tmp_path), [], time.monotonic() + 5).lines())


def a_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str) -> usage_traffic.Reader:
    monkeypatch.setattr(web_account, "LOGS", str(tmp_path))
    (tmp_path / "w1").mkdir()
    (tmp_path / "w1" / "access.log").write_text("".join(f"{line}\n" for line in lines))
    state: dict[str, Any] = {}
    days = Days([{"day": 20261031, "start": 1000}, {"day": 20261101, "start": 2000}])
    reader = usage_traffic.Reader(state, days, 10)
    reader.read(["w1"])
    return reader


def line(moment: str, incoming: int, outgoing: int, uri: str = "/") -> str:
    return (
        f'{{"time":"{moment}","id":"x","uri":{json.dumps(uri)},"status":200,'
        f'"in":{incoming},"out":{outgoing},"seconds":0.1,"agent":"a"}}'
    )


def test_lines_fall_into_their_days_and_forged_ones_count_as_what_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = "1970-01-01T00:16:40+00:00", "1970-01-01T01:33:20+01:00"  # 1000 and 2000 seconds
    forged = '","status":200,"in":999,"out":999,"x":"{"time":"1970-01-01T00:00:00+00:00"'
    cut = line(old, 1, 1)[:60] + line(new, 5, 6)
    reader = a_reader(monkeypatch, tmp_path, line(old, 1, 2), line(new, 3, 4, forged), cut, "rubbish")
    assert reader.counters.values == {"w1": {"20261031": [1, 2], "20261101": [8, 10]}}
    assert reader.unreadable == 1


def test_a_report_of_many_days_is_told_in_parts() -> None:
    days = Days([{"day": 20261100 + number, "start": number} for number in range(1, 31)])
    counters = Counters({f"w{account}": {str(day): [1, 2] for day in days.numbers} for account in range(2000)})
    through, told = counters.report(days)
    assert through == 20261112
    assert told["w7"].split()[-1] == "20261112:1:2"


@pytest.mark.parametrize("given_days", [[], [{"day": 2, "start": 1}], [{"day": 20261101, "start": 1}] * 2])
def test_days_that_do_not_rise_are_refused(given_days: list[dict[str, int]]) -> None:
    with pytest.raises(StepFailed):
        Days(given_days)


def test_a_walk_counts_content_once_and_ends_in_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "a").write_bytes(b"x" * 5000)
    os.link(home / "a", home / "b")
    (home / "bad\n\tname").write_bytes(b"y")
    with (home / "hole").open("wb") as hole:
        hole.truncate(10**9)
    assert usage_disk.walk([str(home)], time.monotonic() + 20) == {str(home): (5001, 5)}
    with pytest.raises(usage_disk.Late):
        usage_disk.walk(["/usr"], time.monotonic())


def test_the_quota_of_the_file_system_is_read() -> None:
    said = (
        "*** Report for user quotas\nUser,BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,"
        "FileUsed,FileSoftLimit,FileHardLimit,FileGrace\nw1001,ok,ok,20,0,1048576,,5,0,0,\n"
    )
    assert usage_disk.parse_quota(said) == {"w1001": (20480, 5)}
    assert usage_disk.parse_quota("") == {}


@pytest.mark.parametrize(
    ("name", "now", "odd"),
    [
        ("Europe/Vienna", datetime(2026, 10, 26, 12, tzinfo=UTC), 25 * 3600),
        ("Europe/Vienna", datetime(2026, 3, 30, 12, tzinfo=UTC), 23 * 3600),
        ("America/Los_Angeles", datetime(2026, 11, 2, 12, tzinfo=UTC), 25 * 3600),
        ("Australia/Lord_Howe", datetime(2026, 4, 6, 12, tzinfo=UTC), 24 * 3600 + 1800),
        ("Asia/Kathmandu", datetime(2026, 12, 1, 12, tzinfo=UTC), 24 * 3600),
    ],
)
def test_a_line_belongs_to_the_day_of_the_zone_to_the_second(
    name: str, now: datetime, odd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = ZoneInfo(name)
    days = window(now, zone, day_of(now - timedelta(days=2), zone))
    assert odd in {later["start"] - one["start"] for one, later in itertools.pairwise(days)}
    monkeypatch.setattr(web_account, "LOGS", str(tmp_path))
    (tmp_path / "w1").mkdir()
    wanted: dict[str, list[int]] = {}
    with (tmp_path / "w1/access.log").open("w") as log:
        for number, (previous, one) in enumerate(itertools.pairwise(days)):
            for day, moment, size in ((previous, one["start"] - 1, 10**number), (one, one["start"], 3 * 10**number)):
                pair = wanted.setdefault(str(day["day"]), [0, 0])
                pair[0] += size
                pair[1] += 7 * size
                told = datetime.fromtimestamp(moment, zone).isoformat()
                log.write(f'{{"time":"{told}","site":"a","status":200,"in":{size},"out":{7 * size},"seconds":0.1}}\n')
    reader = usage_traffic.Reader({}, Days(days), 60)
    reader.read(["w1"])
    assert reader.counters.values["w1"] == wanted and reader.unreadable == 0
