"""Prints one JSON object with everything that is managed on this node. Piped to the node's own python3 as root.

Arguments: one JSON object with `roots` and `exclude` (shell patterns on the full path).
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

Entry = dict[str, "str | int"]
# The names of log files belong to the result; what they say changes by itself.
CONTENT_IGNORED = ("/var/log/*",)


def main(roots: list[str], exclude: list[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for root in roots:
        for path in walk(root):
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in exclude):
                found.update(entries(path))
    found.update(accounts())
    found.update(mariadb())
    return found


def walk(root: str) -> list[str]:
    paths = [root] if os.path.lexists(root) else []
    for folder, folders, files in os.walk(root):
        paths += [f"{folder}/{name}" for name in [*folders, *files]]
    return paths


def entries(path: str) -> dict[str, Entry]:
    try:
        status = os.lstat(path)
        entry: Entry = {"type": kind(status.st_mode), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        entry |= {"uid": status.st_uid, "gid": status.st_gid}
        if stat.S_ISLNK(status.st_mode):
            entry["target"] = str(Path(path).readlink())
        elif stat.S_ISREG(status.st_mode):
            if path.endswith((".sqlite", ".sqlite3", ".db")) and is_sqlite(path):
                return {path: entry, **rows(path)}
            entry |= content(path, status.st_size)
    except FileNotFoundError:  # it went while we looked
        return {}
    return {path: entry}


def kind(mode: int) -> str:
    tests = {"dir": stat.S_ISDIR, "link": stat.S_ISLNK, "file": stat.S_ISREG, "socket": stat.S_ISSOCK}
    return next((name for name, test in tests.items() if test(mode)), "other")


def content(path: str, size: int) -> Entry:
    if any(fnmatch.fnmatchcase(path, pattern) for pattern in CONTENT_IGNORED):
        return {}
    with Path(path).open("rb") as file:
        return {"size": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def is_sqlite(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def rows(path: str) -> dict[str, Entry]:
    """One entry a row: a database's bytes change with every write, its meaning does not.

    A number that only tells the order in which rows were added (an integer primary key) is left out.
    """
    # A copy, because opening a database in WAL mode makes files beside it.
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if Path(path + suffix).exists():
                shutil.copy(path + suffix, f"{folder}/copy{suffix}")
        connection = sqlite3.connect(f"{folder}/copy")
        schema = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        lines = [sql for (sql,) in schema]
        for (table,) in tables:
            lines += table_rows(connection, table) if not table.startswith("sqlite_") else []
        connection.close()
    return {f"{path}#{shown(line)}": {"type": "row"} for line in numbered(lines)}


def numbered(lines: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    result = []
    for line in lines:
        seen[line] += 1
        result.append(line if seen[line] == 1 else f"{line} ({seen[line]})")
    return result


def table_rows(connection: sqlite3.Connection, table: str) -> list[str]:
    columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    kept = [name for _, name, kind, _, _, key in columns if not (key == 1 and kind.upper() == "INTEGER")]
    named = ", ".join(f'"{name}"' for name in kept)
    found = connection.execute(f'SELECT {named} FROM "{table}"').fetchall()
    return [
        f"{table}: " + ", ".join(f"{name}={value!r}" for name, value in zip(kept, row, strict=True)) for row in found
    ]


def shown(line: str) -> str:
    """Put a row on one line, whole: who compares may have to leave out a part of it."""
    return " ".join(line.split())


def accounts() -> dict[str, Entry]:
    found = {}
    for name in ("passwd", "group", "shadow"):
        for line in Path(f"/etc/{name}").read_text().splitlines():
            fields = line.split(":")
            if name == "shadow":
                fields[2] = ""  # the day of the last change
            found[f"{name}:{fields[0]}"] = text_entry("account", ":".join(fields))
    return found


def mariadb() -> dict[str, Entry]:
    if not Path("/run/mysqld/mysqld.sock").exists():
        return {}
    queries = {
        "user": "SELECT CONCAT(user, '@', host), JSON_REMOVE(priv, '$.password_last_changed') FROM mysql.global_priv",
        "database": "SELECT schema_name, default_collation_name FROM information_schema.schemata",
        "grant": "SELECT CONCAT(user, '@', host, ' ', db), mysql.db.* FROM mysql.db",
    }
    found = {}
    for name, query in queries.items():
        answer = subprocess.run(
            ["mariadb", "-N", "-B", "-e", query], capture_output=True, text=True, timeout=30, check=True
        )
        for line in answer.stdout.splitlines():
            found[f"mariadb:{name}:{line.split(chr(9))[0]}"] = text_entry("mariadb", line)
    return found


def text_entry(kind: str, text: str) -> Entry:
    return {"type": kind, "sha256": hashlib.sha256(text.encode()).hexdigest()}


if __name__ == "__main__":
    json.dump(main(**json.loads(sys.argv[1])), sys.stdout)
