"""A process that claims certificates: `python -m tests.support.claimant OWNER AT` with TENANTRY_DATABASE_URL.

It says "ready", waits for a line, claims what is due at AT until nothing is left, and prints the numbers as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta

from orchestrator.store import certificates, database
from orchestrator.store.database import session

LEASE = timedelta(minutes=15)


def main() -> None:
    """Claim until nothing is left."""
    owner, due = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    database.connect(os.environ["TENANTRY_DATABASE_URL"])
    print("ready", flush=True)
    sys.stdin.readline()
    found: list[int] = []
    with session():
        while rows := certificates.claim(owner, LEASE, 50, due):
            found += [row.id for row in rows]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
