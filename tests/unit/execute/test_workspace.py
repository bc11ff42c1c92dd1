"""Private directories that never outlive their orchestrator for long."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Host
from orchestrator.execute import job, workspace
from orchestrator.execute.settings import ExecutorSettings

HOST = Host(name="web1", address="10.77.0.11", roles=("web",))
NAME = "a-" + "0" * 32


def test_everything_in_an_attempt_is_private_and_goes(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    old = os.umask(0)
    try:
        with workspace.attempt(root, HOST, [["{}"]], {}) as directory:
            everything = [root, directory, *directory.rglob("*")]
            assert [str(path) for path in everything if path.stat().st_mode & 0o077] == []
            assert (directory / "job.json").read_text() == "{}"
    finally:
        os.umask(old)
    assert list(root.glob("a-*")) == []


def test_every_job_of_a_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    with workspace.attempt(tmp_path, HOST, [["{}"], ["[]"], ["1"]], {}) as directory:
        files = [file for row in workspace.job_files(directory, 3, 1) for file in row]
        assert [file.read_text() for file in files] == ["{}", "[]", "1"]
        assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
        hosts = json.loads((directory / "inventory.json").read_text())["all"]["hosts"]
        assert [one["job_file"] for one in hosts.values()] == [str(file) for file in files]


def test_playbooks_that_follow_each_other_are_imported_with_the_job_of_each(tmp_path: Path) -> None:
    with workspace.attempt(tmp_path, HOST, [["1", "2"], ["3", "4"]], {}) as directory:
        files = workspace.job_files(directory, 2, 2)
        assert [[file.read_text() for file in row] for row in files] == [["1", "2"], ["3", "4"]]
        assert workspace.put_playbook(directory, [Path("/p/a.yml")]) == Path("/p/a.yml")
        written = json.loads(workspace.put_playbook(directory, [Path("/p/a.yml"), Path("/p/b.yml")]).read_text())
        assert [one["ansible.builtin.import_playbook"] for one in written] == ["/p/a.yml", "/p/b.yml"]
        assert [one["vars"]["job_file"] for one in written] == ["{{ job_files[0] }}", "{{ job_files[1] }}"]


def test_a_template_has_its_forks_ask_for_results_more_often(tmp_path: Path) -> None:
    def seconds(kind: str) -> float:
        with workspace.attempt(tmp_path, HOST, [["{}"]], {}, kind) as directory:
            return float((directory / "ansible.cfg").read_text().partition("internal_poll_interval =")[2])

    assert seconds("t") < seconds("a")


def test_two_attempts_never_share_a_directory(tmp_path: Path) -> None:
    with (
        workspace.attempt(tmp_path, HOST, [["{}"]], {}) as first,
        workspace.attempt(tmp_path, HOST, [["{}"]], {}) as second,
    ):
        assert first != second


def test_an_exception_removes_the_directory_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), workspace.attempt(tmp_path, HOST, [["{}"]], {}):
        raise KeyError
    assert list(tmp_path.glob("a-*")) == []


def test_the_janitor_takes_what_nobody_runs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "job.json").write_text("secret")
    (tmp_path / "a-somebody-elses").mkdir()
    (tmp_path / ("b" + NAME)).mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / ("a-" + "1" * 32)).symlink_to(outside)
    with workspace.attempt(tmp_path, HOST, [["{}"]], {}) as alive:
        assert workspace.sweep(tmp_path) == [NAME]
        assert alive.exists()
    assert not (tmp_path / NAME).exists()
    assert outside.exists()
    assert (tmp_path / "a-somebody-elses").exists()


def test_the_janitor_ends_what_still_runs_of_an_attempt(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with subprocess.Popen(["sleep", "100"], env={"TENANTRY_ATTEMPT": NAME}, start_new_session=True) as left:
        assert workspace.sweep(tmp_path) == [NAME]
        assert left.wait(5) != 0


def test_two_janitors_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with (tmp_path / NAME / "alive").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert workspace.sweep(tmp_path) == []
    assert workspace.sweep(tmp_path) == [NAME]
    assert workspace.sweep(tmp_path / "absent") == []


def test_a_directory_that_cannot_be_removed_does_not_change_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: object) -> None:
        raise PermissionError

    with workspace.attempt(tmp_path, HOST, [["{}"]], {}) as directory:
        monkeypatch.setattr("shutil.rmtree", refuse)
    assert not (directory / "job.json").exists()  # the secret goes first
    monkeypatch.undo()
    assert workspace.sweep(tmp_path) == [directory.name]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", object()])
def test_a_job_that_is_no_json_is_bad_input(value: object) -> None:
    with pytest.raises(InvalidInput):
        job.document({"params": {"a": value}})


def test_a_job_nested_too_deep_or_too_large_is_bad_input() -> None:
    deep: dict[str, object] = {}
    for _ in range(sys.getrecursionlimit() * 20):
        deep = {"a": deep}
    with pytest.raises(InvalidInput):
        job.document(deep)
    with pytest.raises(InvalidInput, match="characters"):
        job.document({"a": "x" * 5_000_000})


@pytest.mark.parametrize("key", ["__ansible_type", "__ansible_unsafe", "__ansible_anything"])
def test_a_key_of_ansibles_own_is_bad_input(key: str) -> None:
    with pytest.raises(InvalidInput, match=key):
        job.document({"params": {"list": [{"x": {key: 1}}]}})


@pytest.mark.parametrize("path", ["relative", "/with blank", "/with{{brace}}", "/with%percent", "/a\nb"])
def test_paths_that_ssh_or_ansible_would_read_otherwise_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        ExecutorSettings(project_root=Path("/srv"), run_root=Path(path), private_key=Path("/key"))
