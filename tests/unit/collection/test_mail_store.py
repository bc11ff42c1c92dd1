"""The lookup tables: one transaction over both files, nothing half, nothing secret shown."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import mail_store
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

DOMAIN = {"domain": "shop.example", "owner": "s1", "quota_mb": 5, "mailboxes": 3}


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Return a folder with new tables."""
    for name in mail_store.FILES:
        mail_store.create(mail_store.path_of(str(tmp_path), name), name)
    return str(tmp_path)


def test_a_row_is_put_changed_and_restored(directory: str) -> None:
    with mail_store.open_store(directory, read_only=False) as store:
        with store.transaction():
            store.put("main.domains", DOMAIN)
            store.put("main.domains", DOMAIN | {"quota_mb": 6})
        row = store.row("main.domains", "shop.example")
        assert row is not None
        assert (row["quota_mb"], row["active"], row["dkim_selector"]) == (6, 1, None)
        with store.transaction():
            store.restore("main.domains", "shop.example", None)
        assert store.row("main.domains", "shop.example") is None


def test_a_failure_leaves_neither_file_changed(directory: str) -> None:
    with mail_store.open_store(directory, read_only=False) as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.put("main.domains", DOMAIN)
            store.put("accounts.domains", {"domain": "shop.example", "owner": "s1", "quota_mb": 5})
            raise ZeroDivisionError
        assert store.row("main.domains", "shop.example") is None
        assert store.row("accounts.domains", "shop.example") is None


def test_read_only_means_it(directory: str) -> None:
    with (
        pytest.raises(StepFailed, match="readonly"),
        mail_store.open_store(directory, read_only=True) as store,
        store.transaction(),
    ):
        store.put("main.domains", DOMAIN)


def test_missing_tables_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"server\.prepare") as refused, mail_store.open_store(str(tmp_path), True):
        pass
    assert refused.value.reason == "missing_software"


def test_a_damaged_file_and_another_version_are_told(directory: str) -> None:
    path = mail_store.path_of(directory, "routing")
    Path(path).write_bytes(b"no database at all, but long enough to be one" * 50)
    with pytest.raises(StepFailed) as refused:
        mail_store.recover(path, "routing")
    assert refused.value.reason == "config_broken"
    with pytest.raises(StepFailed, match="version 7"):
        mail_store.check_version("routing", 7)


def test_a_hash_is_never_shown() -> None:
    shown = mail_store.shown({"address": "a@b.example", "password_hash": "{BLF-CRYPT}$2b$x"}, ", new")
    assert shown == "address = a@b.example\npassword_hash = (secret, new)\n"


# What version 1 of the tables was; the present ones have grown out of it.
VERSION_1 = {
    "routing": """
        CREATE TABLE domains (domain TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, quota_mb INTEGER NOT NULL,
            mailboxes INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1, dkim_selector TEXT) WITHOUT ROWID;
        CREATE TABLE mailboxes (address TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL, owner TEXT NOT NULL,
            active INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
        CREATE TABLE aliases (address TEXT NOT NULL, destination TEXT NOT NULL, domain TEXT NOT NULL, owner TEXT NOT NULL,
            active INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (address, destination)) WITHOUT ROWID;
        INSERT INTO domains VALUES ('shop.example', 's1', 5, 3, 1, 't1');
    """,
    "accounts": """
        CREATE TABLE domains (domain TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, quota_mb INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE accounts (address TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL, local_part TEXT NOT NULL,
            owner TEXT NOT NULL, password_hash TEXT NOT NULL, quota_mb INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1,
            display_name TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
        INSERT INTO domains VALUES ('shop.example', 's1', 5);
    """,
}


def old_tables(directory: Path) -> str:
    for name, schema in VERSION_1.items():
        with sqlite3.connect(mail_store.path_of(str(directory), name)) as connection:
            connection.executescript(f"{schema} PRAGMA user_version = 1;")
        connection.close()
    return str(directory)


def columns(path: str) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    found = {name: [row[1:] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    connection.close()
    return found


def test_old_tables_are_refused_until_they_are_brought_to_this_version(tmp_path: Path) -> None:
    directory = old_tables(tmp_path)
    with pytest.raises(StepFailed, match=r"server\.prepare"), mail_store.open_store(directory, read_only=True):
        pass
    for name in mail_store.FILES:
        path = mail_store.path_of(directory, name)
        assert mail_store.version_of(path) == 1
        mail_store.upgrade(path, name)
        mail_store.upgrade(path, name)
        mail_store.recover(path, name)
    with mail_store.open_store(directory, read_only=False) as store, store.transaction():
        assert store.row("main.domains", "shop.example") == DOMAIN | {"active": 1, "dkim_selector": "t1"}
        store.put("main.suspensions", {"owner": "s1", "policy": "defer"})
        store.put("accounts.suspensions", {"owner": "s1", "policy": "defer"})


def test_brought_to_this_version_tables_are_what_new_ones_are(tmp_path: Path, directory: str) -> None:
    (tmp_path / "old").mkdir()
    old = old_tables(tmp_path / "old")
    for name in mail_store.FILES:
        mail_store.upgrade(mail_store.path_of(old, name), name)
        assert columns(mail_store.path_of(old, name)) == columns(mail_store.path_of(directory, name))


def test_an_upgrade_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    directory = old_tables(tmp_path)
    path = mail_store.path_of(directory, "accounts")
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE suspensions (x)")
    connection.close()
    with pytest.raises(StepFailed, match="already exists"):
        mail_store.upgrade(path, "accounts")
    assert mail_store.version_of(path) == 1
    assert "moved_from" not in str(columns(path))
