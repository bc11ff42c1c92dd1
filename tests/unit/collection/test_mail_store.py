"""The lookup tables: one transaction over both files, nothing half, nothing secret shown."""

from __future__ import annotations

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
