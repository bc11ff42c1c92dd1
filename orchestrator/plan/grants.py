"""What an account may do in the database, read from SHOW GRANTS and from grants.sql, so that the two can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?:TABLE )?(?P<place>\S+) TO (?P<rest>.+)", re.DOTALL | re.IGNORECASE)
_RIGHT = re.compile(r"\s*([A-Z][A-Z ]*?)\s*(?:\(([^)]*)\))?\s*(?:,|$)", re.IGNORECASE)


_READS = frozenset({"SELECT", "SHOW VIEW", "LOCK TABLES", "EVENT", "TRIGGER"})  # what mariadb-dump wants of a database


@dataclass(frozen=True, order=True)
class Right:
    """One privilege on one table, on one column of it when ``column`` is not empty."""

    privilege: str
    place: str  # "tenantry.tasks", "tenantry.*", "*.*", or "role name" for a role
    column: str = ""

    def __str__(self) -> str:
        column = f" ({self.column})" if self.column else ""
        return f"{self.privilege}{column} on {self.place}"


def parse(statements: Iterable[str], database: str) -> frozenset[Right]:
    """Return the rights that GRANT statements give; a place without a database is one of ``database``. USAGE is none."""
    return frozenset(right for text in statements for right in _rights(" ".join(text.split()), database))


def _rights(text: str, database: str) -> Iterable[Right]:
    match = _GRANT.match(text)
    if match is None:  # GRANT `role` TO …, SET DEFAULT ROLE …
        role = re.match(r"GRANT (\S+) TO ", text, re.IGNORECASE)
        yield from [Right("ROLE", f"role {role[1].strip('`')}")] if role else []
        return
    place = match["place"].replace("`", "").replace("\\", "")
    place = place if "." in place else f"{database}.{place}"
    if re.search(r"WITH GRANT OPTION", match["rest"], re.IGNORECASE):
        yield Right("GRANT OPTION", place)
    for privilege, columns in _RIGHT.findall(match["rights"]):
        if privilege.upper() == "USAGE":
            continue
        named = [one.strip(" `") for one in columns.split(",")] if columns else [""]
        yield from (Right(privilege.upper(), place, column) for column in named)


def statements(text: str) -> list[str]:
    """Return the GRANT statements of an SQL file."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [part.strip() for part in plain.split(";") if part.strip().upper().startswith("GRANT")]


def only_reads(rights: frozenset[Right]) -> bool:
    """True for an account that makes backups or reports: it reads whole databases and writes nowhere."""
    return all(one.privilege in _READS and one.place.endswith(".*") for one in rights)


def describe(wanted: frozenset[Right], found: frozenset[Right]) -> str:
    """Say how an account's rights differ from what they should be; empty when they do not."""
    parts = []
    if more := sorted(found - wanted):
        parts.append(f"may also {'; '.join(map(str, more[:5]))}" + (f" and {len(more) - 5} more" if more[5:] else ""))
    if less := sorted(wanted - found):
        parts.append(f"lacks {'; '.join(map(str, less[:5]))}" + (f" and {len(less) - 5} more" if less[5:] else ""))
    return ", and ".join(parts)
