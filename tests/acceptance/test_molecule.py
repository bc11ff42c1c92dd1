"""Molecule's scenarios run on the lab's nodes: create, prepare, converge, idempotence, verify, destroy.

By default one of them: what the others prepare and verify is a part of tests/acceptance/{web,mail,dns,playbooks} too. They are
how somebody who works on a role tries it, and ``--thorough`` runs them all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import nodes
from lab.config import Lab

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml"))


def test_there_are_scenarios() -> None:
    assert {"default", "web", "mail", "dns"} <= set(SCENARIOS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize("scenario", SCENARIOS if metafunc.config.getoption("--thorough") else ["default"])


def test_scenario(lab: Lab, scenario: str, tmp_path: Path) -> None:
    before = nodes.known(lab)
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        "TENANTRY_LAB_STATE": str(lab.state),
    }
    done = subprocess.run(
        [scripts / "molecule", "test", "-s", scenario],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert nodes.known(lab) == before
