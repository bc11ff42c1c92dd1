#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Collect what every service of a DNS node uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_usage
short_description: Collect the zones and records of every owner on a DNS node
description:
  - Counts zones and records by owner in one query, and the queries that the server has answered. PowerDNS counts those for
    the server only.
options: {}
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Collect
  tenantry.hosting.dns_usage:
"""

RETURN = r"""
usage:
  description: Figures of each owner, and the server's queries since its start.
  type: dict
  returned: success
  sample: {dns: {complete: true, queries: 120, accounts: {s1001: {zones: 1, records: 12}}}}
"""

import contextlib  # noqa: E402
import os  # noqa: E402
import sqlite3  # noqa: E402
from typing import Any  # noqa: E402

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_rdata, dns_server  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed  # noqa: E402

_BUSY_SECONDS = 20.0
_ZONES = "SELECT account, COUNT(*) FROM domains WHERE account <> '' GROUP BY account"
# A record belongs to its zone's owner, unless a comment at its record set names another one.
_RECORDS = """
SELECT COALESCE(c.account, d.account) AS owner, COUNT(*)
FROM records r JOIN domains d ON d.id = r.domain_id
LEFT JOIN comments c ON c.domain_id = r.domain_id AND c.name = r.name AND c.type = r.type AND c.comment = ?
WHERE r.type IS NOT NULL AND COALESCE(c.account, d.account, '') <> '' GROUP BY owner
"""


def collect(step: Step) -> None:
    """Count by owner and report."""
    if step.check_mode and not os.path.exists(dns_server.DATABASE_FILE):
        return
    accounts: dict[str, dict[str, int]] = {}
    for query, values, name in ((_ZONES, (), "zones"), (_RECORDS, (dns_rdata.OWN_RECORD,), "records")):
        for owner, count in rows(query, values):
            accounts.setdefault(owner, {"zones": 0, "records": 0})[name] = count
    step.usage = {"dns": {"complete": True, "queries": queries(step), "accounts": accounts}}


def rows(query: str, values: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the rows of a query; the database is opened for reading only."""
    uri = f"file:{dns_server.DATABASE_FILE}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as database:
            return database.execute(query, values).fetchall()
    except sqlite3.Error as error:
        reason = "command" if os.path.exists(dns_server.DATABASE_FILE) else "missing_software"
        raise StepFailed(reason, f"{dns_server.DATABASE_FILE} cannot be read: {error}") from None


def queries(step: Step) -> int | None:
    """Return the queries answered since the server's start, None while it does not say."""
    counted = 0
    for name in ("udp-queries", "tcp-queries"):
        code, output = step.probe(["pdns_control", "show", name])
        if code != 0 or not output.strip().isdigit():
            step.warnings.append("PowerDNS does not say how many queries it has answered")
            return None
        counted += int(output)
    return counted


def main() -> None:
    """Run the module."""
    arguments: dict[str, Any] = {}
    Step(arguments).run(collect)


if __name__ == "__main__":
    main()
