"""Files that a template has parsed: whoever asks as ansible asks for a playbook or a role gets each of them once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from orchestrator.execute.warm.parsed import parse_all

OLD, NEW = "- name: '{{ old }}'\n", "- name: '{{ new }}'\n"


@pytest.fixture(autouse=True)
def ansibles_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give ansible its own way of loading back afterwards."""
    monkeypatch.setattr(DataLoader, "load_from_file", DataLoader.load_from_file)


@pytest.fixture
def play(tmp_path: Path) -> Path:
    """Return a playbook in a project's folder."""
    (tmp_path / "playbooks" / "web").mkdir(parents=True)
    path = tmp_path / "playbooks" / "web" / "play.yml"
    path.write_text(OLD)
    return path


def loaded(path: Path, **options: Any) -> Any:
    loader = DataLoader()
    loader.set_basedir(str(path.parent))
    return loader.load_from_file(path.name, **({"trusted_as_template": True} | options))


def test_it_is_given_once_and_then_read(play: Path, tmp_path: Path) -> None:
    assert list(parse_all(tmp_path)) == [str(play)]
    play.write_text(NEW)
    assert [loaded(play), loaded(play)] == [[{"name": "{{ old }}"}], [{"name": "{{ new }}"}]]


def test_it_is_what_ansible_makes_of_it(play: Path, tmp_path: Path) -> None:
    own = loaded(play)
    parse_all(tmp_path)
    given = loaded(play)
    assert given == own
    for text in (own[0]["name"], given[0]["name"]):
        assert TrustedAsTemplate.is_tagged_on(text)
    assert Origin.get_tag(given[0]["name"]) == Origin.get_tag(own[0]["name"])


@pytest.mark.parametrize("options", [{"unsafe": True}, {"json_only": True}, {"trusted_as_template": False}])
def test_who_asks_in_another_way_gets_ansibles_answer(play: Path, tmp_path: Path, options: dict[str, bool]) -> None:
    parse_all(tmp_path)
    play.write_text('[{"name": "new"}]')
    assert loaded(play, **options) == [{"name": "new"}]


def test_a_broken_file_is_told_by_ansible_to_whom_it_concerns(play: Path, tmp_path: Path) -> None:
    play.write_text("- name: [\n")
    assert not parse_all(tmp_path)
    with pytest.raises(AnsibleError, match="YAML parsing failed"):
        loaded(play)
