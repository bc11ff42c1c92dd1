"""The command line's answers, the lock and the image's name: nothing here needs root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import access, check, cli, config, image, locks, packages
from lab.errors import LabError, MissingError
from lab.process import run


def test_a_bad_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["bogus"])
    assert ended.value.code == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="everyone else is refused before the name is looked at")
def test_a_bad_node_name_ends_with_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ssh", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lab: node 'nowhere': no such name — use one of web")
    assert error.count("\n") == 1


def test_what_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(check, "_SEARCH", str(tmp_path))
    assert cli.main(["check"]) == 3
    output = capsys.readouterr()
    assert "missing  mmdebstrap: apt-get install mmdebstrap\n" in output.out
    assert "systemd-nspawn" in output.err


def test_the_lock_admits_one_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    second = locks.held(folder, wait=0.2)
    with locks.held(folder, wait=1), pytest.raises(LabError, match="another command holds it"):
        second.__enter__()
    with locks.held(folder, wait=1):
        assert list(folder.iterdir()) == []


def test_a_lock_on_a_removed_folder_is_taken_anew(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with locks.held(folder, wait=1):
        folder.rmdir()
        with locks.held(folder, wait=1):
            assert folder.is_dir()


def test_another_package_list_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.key()
    monkeypatch.setattr(packages, "ALL", [*packages.ALL, "hello"])
    assert image.key() != before


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(LabError, match=r"no end after 0\.1 s"):
        run(["sleep", "5"], timeout=0.1)


def test_a_program_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(LabError, match="No such file"):
        run(["cat", "/nonexistent"])


def test_a_program_that_is_not_there_points_to_check() -> None:
    with pytest.raises(MissingError, match="python3 -m lab check"):
        run(["no-such-program"])


def test_ssh_trusts_only_pinned_keys(tmp_path: Path) -> None:
    lab = config.load({"TENANTRY_LAB_STATE": str(tmp_path / "state")})
    upper = lab.state / "nodes" / "web1" / "upper"
    access.make_host_key(upper, "web1")
    access.pin(lab)
    public = (upper / access.HOST_KEY).with_suffix(".pub").read_text().split()[1]
    assert lab.known_hosts.read_text().startswith("web1,web1.lab.test,10.77.0.11,fd0a:")
    assert public in lab.known_hosts.read_text()
    settings = run(["ssh", "-G", "-F", str(lab.ssh_config), "web1"]).stdout.splitlines()
    assert {"user deploy", "hostname 10.77.0.11", "stricthostkeychecking true", "batchmode yes"} <= set(settings)
