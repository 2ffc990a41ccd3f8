"""A folder that did not change is not hashed anew, and one that did is."""

import json
import os
import shutil

import pytest
from PIL import Image

from rag_lib.catalog import known, load_folder
from rag_lib.images import content_id


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures that were written long ago; everything that is hashed is kept."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.setattr(known, "KEEP_FROM", 1)
    monkeypatch.setattr(known, "SETTLED_S", 0)
    root = tmp_path / "pictures"
    root.mkdir()
    for number, color in enumerate(("red", "green", "blue")):
        Image.new("RGB", (8, 8), color).save(root / f"{number}.png")
    return root


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are read."""
    names = []
    monkeypatch.setattr(known, "content_id", lambda path: (names.append(path.name), content_id(path))[1])
    return names


def ids(folder):
    return {item.path.name: item.image_id for item in load_folder(folder).items}


def test_only_what_changed_is_hashed_again(folder, hashed):
    first = ids(folder)
    assert hashed == ["0.png", "1.png", "2.png"] and first == {name: content_id(folder / name) for name in first}
    hashed.clear()
    assert ids(folder) == first and hashed == []
    Image.new("RGB", (8, 8), "teal").save(folder / "1.png")
    (folder / "0.png").rename(folder / "3.png")
    assert ids(folder) == {name: content_id(folder / name) for name in ("1.png", "2.png", "3.png")}
    assert hashed == ["1.png", "3.png"]
    hashed.clear()
    ids(folder)
    assert hashed == []


def test_another_content_of_the_same_size_and_time_is_seen(folder, hashed):
    ids(folder)
    before = os.stat(folder / "0.png")
    content = (folder / "0.png").read_bytes()
    (folder / "0.png").write_bytes(content[:-1] + b"!")
    os.utime(folder / "0.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(folder / "0.png").st_size == before.st_size
    assert ids(folder)["0.png"] == content_id(folder / "0.png")


def test_a_file_that_may_be_written_again_within_one_tick_is_not_kept(folder, hashed, monkeypatch):
    monkeypatch.setattr(known, "SETTLED_S", 60)
    ids(folder)
    hashed.clear()
    ids(folder)
    assert hashed == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"0.png": 3, "1.png": [1, 2, 3, 4], "2.png": []}', "null"])
def test_a_damaged_file_of_ids_is_none(folder, hashed, content):
    first = ids(folder)
    (file,) = (folder.parent / "data" / "catalogs").iterdir()
    assert set(json.loads(file.read_text())) == {"0.png", "1.png", "2.png"}
    file.write_text(content)
    hashed.clear()
    assert ids(folder) == first and len(hashed) == 3


def test_a_picture_that_cannot_be_opened_any_more_is_told(folder):
    ids(folder)
    (folder / "0.png").write_bytes(b"")
    catalog = load_folder(folder)
    assert len(catalog.items) == 2 and [path.name for path, _ in catalog.skipped] == ["0.png"]


def test_what_cannot_be_kept_is_no_error_and_little_is_not_kept(folder, hashed, monkeypatch):
    (folder.parent / "data").write_text("in the way")
    assert len(ids(folder)) == 3
    (folder.parent / "data").unlink()
    monkeypatch.setattr(known, "KEEP_FROM", 2**26)
    ids(folder)
    assert not (folder.parent / "data").exists()
    shutil.rmtree(folder)
