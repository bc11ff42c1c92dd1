"""The demo, twice in a row, and gone without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import check
from tests.acceptance.test_lab import own_lab, traces
from tests.conftest import require

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).resolve().parents[2]


def processes_with(text: str) -> list[str]:
    """Return the command lines of processes whose environment holds a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has just ended
    return found


def test_the_demo_runs_twice_and_leaves_nothing(tmp_path: Path) -> None:
    lab = own_lab("d", 81)
    require("; ".join(f"{finding.what}: {finding.remedy}" for finding in check.missing(lab)))
    folder = tmp_path / "demo"
    environment = {
        **os.environ,
        "TENANTRY_DEMO_FOLDER": str(folder),
        "TENANTRY_LAB_STATE": str(lab.state),
        "TENANTRY_LAB_BRIDGE": lab.bridge,
        "TENANTRY_LAB_SUBNET": str(lab.subnet),
    }

    def demo(*arguments: str) -> str:
        command = [sys.executable, "-m", "demo", *arguments]
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        for number in (1, 2):
            told = demo()
            assert f"its DKIM signature matches the published key: tenantry1 shop{number}.test" in told
            assert told.count("✓") == 9
        assert processes_with(str(folder))
    finally:
        demo("down")
    assert not folder.exists()
    assert processes_with(str(folder)) == []
    assert traces(lab) == []
