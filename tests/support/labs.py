"""Labs of test processes that run side by side: each has one of its own beside the lab that tools/with-lab names.

`python -m tests.support.labs` takes all of them down, and that lab itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping

from lab import config

_BLOCK = 256  # addresses of a /24


def environment(number: int, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that name the lab of a test process; its subnet follows the base's, one for each process."""
    base = config.load(environ)
    return {
        "TENANTRY_LAB_STATE": f"{base.state}-{number}",
        "TENANTRY_LAB_BRIDGE": f"{base.bridge}{number}",
        "TENANTRY_LAB_SUBNET": f"{base.subnet.network_address + _BLOCK * (number + 1)}/24",
    }


def main() -> int:
    """Take down every lab that is there, whatever becomes of another; returns 1 when one could not be."""
    base = config.load()
    found = (re.fullmatch(rf"{re.escape(base.state.name)}-([0-9]+)", path.name) for path in base.state.parent.iterdir())
    labs = [{}, *(environment(int(match[1])) for match in found if match)]
    ended = [subprocess.run([sys.executable, "-m", "lab", "down"], env={**os.environ, **own}) for own in labs]
    return int(any(one.returncode for one in ended))


if __name__ == "__main__":
    sys.exit(main())
