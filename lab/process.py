"""Running other programs: always an argument vector, always a time limit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab.errors import LabError, MissingError

QUICK = 30.0


def run(
    argv: Sequence[str], *, timeout: float = QUICK, stdin: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its result; raise one readable line when it fails."""
    try:
        result = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise MissingError(argv[0], "the program is not installed", "run `python3 -m lab check`") from None
    except subprocess.TimeoutExpired:
        raise LabError(" ".join(argv), f"no end after {timeout:g} s", "see `python3 -m lab status`") from None
    if check and result.returncode != 0:
        raise LabError(" ".join(argv), _reason(result), "see docs/lab.md, section Troubles")
    return result


def _reason(result: subprocess.CompletedProcess[str]) -> str:
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return "; ".join(lines[-3:]) if lines else f"exit code {result.returncode}"
