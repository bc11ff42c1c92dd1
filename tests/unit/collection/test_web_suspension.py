"""The cover over a suspended account, whose a process is, and how a tree of a customer's is taken apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import (
    files,
    web_account,
    web_names,
    web_processes,
    web_removal,
    web_render,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

STATUS = "Name:\tphp\nState:\t{}\nUid:\t{}\nGid:\t20001\t20001\t20001\t20001\n"


class Notes:
    """What a removal needs of a step."""

    def __init__(self, *, check_mode: bool = False) -> None:
        self.check_mode = check_mode
        self.noted: list[str] = []
        self.warnings: list[str] = []

    def note(self, header: str, *_: Any) -> None:
        self.noted.append(header)


def test_the_cover_comes_before_every_location_and_names_its_page() -> None:
    text, mark = web_render.suspended_snippet("w1001", "s1001", "/var/lib/tenantry/web/suspended/w1001.html", 7200)
    assert web_render.parse_header(text) == {"owner": "s1001", "username": "w1001"}
    assert mark.startswith(web_render.SUSPENDED_WORD) and f'set $site_suspended_mark "{mark}";' in text
    for line in (
        'if ($uri !~ "^/[.](?:well-known/(?:acme-challenge/|tenantry-loaded\\z)|tenantry-suspended\\z)") { return 503; }',
        "error_page 503 /.tenantry-suspended;",
        "    alias /var/lib/tenantry/web/suspended/w1001.html;",
        "    add_header Retry-After 7200 always;",
    ):
        assert f"{line}\n" in text
    site = web_render.site("shop.test", ["shop.test"], "w1001", "s1001", "www")[0]
    assert site.index("tenantry/suspended/w1001.con[f]") < site.index("tenantry/snippets/site.conf")


@pytest.mark.parametrize(
    ("state", "uids", "theirs"),
    [
        ("S (sleeping)", "20001\t20001\t20001\t20001", True),
        ("T (stopped)", "0\t0\t20001\t0", True),
        ("S (sleeping)", "200010\t200010\t200010\t200010", False),
        ("Z (zombie)", "20001\t20001\t20001\t20001", False),
        ("S (sleeping)", "0\t0\t0\t0", False),
    ],
)
def test_whose_a_process_is(state: str, uids: str, theirs: bool) -> None:
    assert web_processes.is_theirs(STATUS.format(state, uids), 20001) is theirs


def test_no_process_of_the_system_is_ever_ended() -> None:
    for uid in (0, 33, 1000):
        with pytest.raises(StepFailed, match="one of the system's"):
            web_processes.end_all(Notes(), "w1001", uid)


@pytest.mark.parametrize("value", ["", " \n", "a\0b", "x" * 65_537, "ü" * 40_000])
def test_a_page_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(StepFailed, match="page: it is empty, too large or no text"):
        web_names.page(value)


def test_a_page_stays_as_it_is() -> None:
    assert web_names.page("{{ x }} $uri ü") == "{{ x }} $uri ü"


@pytest.mark.parametrize(
    ("recorded", "owner", "foreign"),
    [("s1", "s2", True), ("s1", "s1", False), ("s1", "", False), ("", "s2", False)],
)
def test_an_object_is_foreign_only_when_two_owners_differ(recorded: str, owner: str, foreign: bool) -> None:
    assert web_account.is_foreign(recorded, owner) is foreign


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder that must not be touched, with links to it in a home beside it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("kept")
    home = tmp_path / "homes" / "w1"
    (home / "www" / "*").mkdir(parents=True)
    (home / "www" / "link").symlink_to(folder)
    (home / "www" / "loop").symlink_to(home)
    os.link(folder / "file", home / "www" / "hard")
    os.mkfifo(home / "www" / "fifo")
    (home / "www" / "-rf\n").write_text("odd")
    return folder


def kept(folder: Path) -> tuple[int, int, str]:
    status = (folder / "file").stat()
    return status.st_ino, status.st_mode, (folder / "file").read_text()


def make_deep(folder: Path, depth: int) -> None:
    """Make folders within folders, beyond what a path can say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_a_tree_goes_whatever_is_in_it_and_nothing_outside(tmp_path: Path, outside: Path) -> None:
    homes = tmp_path / "homes"
    make_deep(homes / "w1", 1200)
    before, step = kept(outside), Notes()
    web_removal.remove(step, str(homes / "w1"))
    assert step.noted == [f"{homes}/w1/"]
    assert [path.name for path in homes.rglob("*")] == [web_removal.FOLDER]
    assert kept(outside) == before
    web_removal.remove(step, str(homes / "w1"))
    assert len(step.noted) == 1


def test_check_mode_removes_nothing(tmp_path: Path, outside: Path) -> None:
    step = Notes(check_mode=True)
    web_removal.remove(step, str(tmp_path / "homes" / "w1"))
    assert step.noted and sorted(path.name for path in (tmp_path / "homes").iterdir()) == ["w1"]


def test_what_a_dead_run_left_goes_with_the_next(tmp_path: Path, outside: Path) -> None:
    homes = tmp_path / "homes"
    (homes / web_removal.FOLDER / "w1").mkdir(parents=True)
    (homes / "w1").rename(homes / web_removal.FOLDER / "w1" / "moved")
    (homes / web_removal.FOLDER / "w1" / "file").write_text("moved up")
    before, step = kept(outside), Notes()
    web_removal.remove(step, str(homes / "w1"))
    assert step.noted and not list((homes / web_removal.FOLDER).iterdir())
    assert kept(outside) == before


def test_a_tree_that_is_a_link_is_refused(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "homes" / "w2").symlink_to(outside)
    with pytest.raises(files.UnsafePath):
        web_removal.remove(Notes(), str(tmp_path / "homes" / "w2"))
    assert (outside / "file").read_text() == "kept"
