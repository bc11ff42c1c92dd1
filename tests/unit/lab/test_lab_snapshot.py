"""Comparing two snapshots, and what the script reads of a SQLite database."""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path
from types import ModuleType

import pytest

from lab import snapshot


@pytest.fixture
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("lab_tree", snapshot.SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_diff_names_what_was_added_removed_and_changed() -> None:
    before: snapshot.Tree = {"/a": {"type": "file", "mode": "0644"}, "/b": {"type": "dir"}, "/c": {"type": "dir"}}
    after: snapshot.Tree = {"/a": {"type": "file", "mode": "0600"}, "/c": {"type": "dir"}, "/d": {"type": "dir"}}
    assert snapshot.diff(before, after) == ["~ /a: mode 0644 -> 0600", "- /b", "+ /d"]
    assert snapshot.diff(before, before) == []


def test_a_tree_is_read_with_modes_links_and_hashes(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "skipped").write_text("volatile")
    found = script.main([str(tmp_path)], [f"{tmp_path}/skip*"])
    assert found[f"{tmp_path}/file"]["mode"] == "0640"
    assert found[f"{tmp_path}/file"]["size"] == 4
    assert found[f"{tmp_path}/link"]["target"] == "file"
    assert f"{tmp_path}/skipped" not in found


def test_a_database_is_compared_by_its_rows(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "zones.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
        connection.execute("INSERT INTO records (name) VALUES ('shop.test')")
    before = script.main([str(tmp_path)], ["*-wal", "*-shm"])
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO records (name) VALUES ('other.test')")
    added = snapshot.diff(before, script.main([str(tmp_path)], ["*-wal", "*-shm"]))
    assert added == [f"+ {path}#records: name='other.test'"]
    with sqlite3.connect(path) as connection:  # the same rows in another order, one of them twice
        connection.execute("DELETE FROM records")
        connection.executemany("INSERT INTO records (name) VALUES (?)", [["other.test"], ["shop.test"], ["shop.test"]])
    twice = snapshot.diff(before, script.main([str(tmp_path)], ["*-wal", "*-shm"]))
    assert twice == [*added, f"+ {path}#records: name='shop.test' (2)"]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM records WHERE id <> (SELECT MIN(id) FROM records WHERE name = 'shop.test')")
    connection.execute("VACUUM")
    assert snapshot.diff(before, script.main([str(tmp_path)], ["*-wal", "*-shm"])) == []


def test_reading_a_database_leaves_no_file_beside_it(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "mail.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE mailbox (name TEXT)")
    connection.close()
    script.main([str(tmp_path)], [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["mail.sqlite"]
