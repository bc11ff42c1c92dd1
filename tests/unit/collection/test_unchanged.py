"""A check that was content is spared until something that it read has changed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import mail_daemons, unchanged
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

REAL: Any = SimpleNamespace(check_mode=False)
REHEARSED: Any = SimpleNamespace(check_mode=True)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration of two files, with a place of its own for notes."""
    monkeypatch.setattr(unchanged, "DIRECTORY", str(tmp_path / "sound"))
    (tmp_path / "etc" / "local.d").mkdir(parents=True)
    (tmp_path / "etc" / "main.conf").write_text("one\n")
    (tmp_path / "etc" / "local.d" / "more.conf").write_text("two\n")
    return tmp_path / "etc"


def mark(tree: Path) -> str:
    return unchanged.fingerprint([str(tree)])


def test_what_was_found_sound_is_known_until_it_changes(tree: Path) -> None:
    assert not unchanged.is_sound("daemon", mark(tree))
    unchanged.remember("daemon", mark(tree))
    assert unchanged.is_sound("daemon", mark(tree))
    assert not unchanged.is_sound("other", mark(tree))
    (tree / "main.conf").write_text("uno\n")
    assert not unchanged.is_sound("daemon", mark(tree))
    assert Path(unchanged.DIRECTORY).stat().st_mode & 0o077 == 0


def test_no_change_goes_unseen(tree: Path) -> None:
    seen = {mark(tree)}
    about = (tree / "main.conf").stat()
    (tree / "main.conf").write_text("uno\n")
    os.utime(tree / "main.conf", ns=(about.st_atime_ns, about.st_mtime_ns))  # as if nothing had happened
    seen.add(mark(tree))
    (tree / "local.d" / "new.conf").touch()
    seen.add(mark(tree))
    (tree / "local.d" / "more.conf").chmod(0o600)
    seen.add(mark(tree))
    (tree / "local.d" / "more.conf").unlink()
    seen.add(mark(tree))
    target = tree.parent / "elsewhere"
    target.write_text("x")
    (tree / "link.conf").symlink_to(target)
    seen.add(mark(tree))
    target.write_text("y")
    seen.add(mark(tree))
    assert len(seen) == 7


def test_what_is_not_there_is_no_error(tree: Path) -> None:
    assert unchanged.fingerprint([str(tree / "absent")]) == unchanged.fingerprint([])
    (tree / "dangling").symlink_to("nowhere")
    assert mark(tree) == mark(tree)


def test_a_daemon_is_checked_when_its_files_have_changed_and_while_they_are_broken(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def complaint(_: str) -> str:
        asked.append(1)
        return "broken" if "broken" in (tree / "main.conf").read_text() else ""

    slow = mail_daemons.Daemon("slow", complaint, (), reads=(str(tree),))
    monkeypatch.setitem(mail_daemons.DAEMONS, "slow", slow)
    mail_daemons.require_sound(REHEARSED, "slow")
    mail_daemons.require_sound(REAL, "slow")
    assert len(asked) == 2  # check mode left no note
    mail_daemons.require_sound(REAL, "slow")
    mail_daemons.require_sound(REHEARSED, "slow")
    assert len(asked) == 2
    (tree / "main.conf").write_text("broken\n")
    for _ in range(2):
        with pytest.raises(StepFailed):
            mail_daemons.require_sound(REAL, "slow")
    assert len(asked) == 4
    (tree / "main.conf").write_text("mended\n")
    mail_daemons.require_sound(REAL, "slow")
    mail_daemons.require_sound(REAL, "slow")
    assert len(asked) == 5
