"""Relative paths begin at the home; what is written is there whole or not at all."""

import os
from pathlib import Path

import pytest

from rag_lib.errors import RagError
from rag_lib.paths import beginning, data_dir, home, replacing, resolve


def test_a_relative_path_lies_below_the_home_wherever_the_program_was_started(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    for folder in (tmp_path, Path("/")):
        monkeypatch.chdir(folder)
        assert resolve("photos/a.png") == resolve(Path("photos/a.png")) == tmp_path / "photos" / "a.png"
        assert resolve("/photos") == Path("/photos")
    assert beginning("/photos") == "" and f"'{tmp_path}'" in beginning("photos")


def test_the_home_is_the_checkout_unless_it_is_set(tmp_path, monkeypatch):
    monkeypatch.delenv("RAG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert home() == Path(__file__).resolve().parent.parent
    assert str(home()) not in beginning("photos") and f"'{home().name}'" in beginning("photos")
    monkeypatch.setenv("RAG_HOME", "here")
    assert home() == tmp_path / "here" and data_dir() == tmp_path / "here" / "data" and data_dir().is_dir()


def test_the_users_own_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAG_HOME", "~/work")
    assert home() == tmp_path / "work"
    assert resolve("~/photos") == tmp_path / "photos"
    assert resolve("photos/~old") == tmp_path / "work" / "photos" / "~old"


@pytest.mark.parametrize("name", ["~nobody-of-this-name", "~nobody-of-this-name/photos", "~" + "x" * 300])
def test_the_folder_of_an_unknown_user_is_refused(name, monkeypatch):
    with pytest.raises(RagError, match="user who is not known here: write the whole path"):
        resolve(name)
    monkeypatch.setenv("RAG_HOME", name)
    with pytest.raises(RagError, match="user who is not known here"):
        home()
    assert not os.path.exists(name)


def test_a_file_is_replaced_at_the_end_only(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
        assert beside.suffix == path.suffix  # by which libraries choose a format
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.json", "old")]


def test_two_writers_have_files_of_their_own(tmp_path):
    path = tmp_path / ("壺" * 82 + ".json")  # 251 bytes of at most 255
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
