"""Labs of test processes that run side by side: each has one of its own beside the lab that tools/with-lab names.

`python -m tests.support.labs` takes all of them down.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab import config

_FIRST = 84  # 10.84.0.0/24 belongs to process 0
_MOST = 10


def environment(number: int) -> dict[str, str]:
    """Return the variables that name the lab of a test process."""
    base = config.load()
    return {
        "TENANTRY_LAB_STATE": f"{base.state}-{number}",
        "TENANTRY_LAB_BRIDGE": f"{base.bridge}{number}",
        "TENANTRY_LAB_SUBNET": f"10.{_FIRST + number}.0.0/24",
    }


def main() -> int:
    """Take the labs down that are there; returns 1 when one could not be."""
    left = 0
    for number in range(_MOST):
        own = environment(number)
        if Path(own["TENANTRY_LAB_STATE"]).exists():
            left |= subprocess.run([sys.executable, "-m", "lab", "down"], env={**os.environ, **own}).returncode
    return int(left != 0)


if __name__ == "__main__":
    sys.exit(main())
