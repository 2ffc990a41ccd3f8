"""The photographs that installed packages bring along: copied once, checked, with their authors and licences."""

import hashlib
from importlib.metadata import PackageNotFoundError

import pytest
from PIL import Image

from rag_lib.catalog import load_catalog, photographs, query_picture
from rag_lib.catalog.photographs import load_photographs, read_list
from rag_lib.errors import RagError


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two photographs of a package, one to ask with, and one of a package that is not installed."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    site = tmp_path / "site"
    site.mkdir()
    rows = []
    for name, package in (("dog.png", "shown"), ("query/cat.png", "shown"), ("cow.png", "missing")):
        path = site / name.rsplit("/")[-1]
        Image.new("RGB", (8, 8), (len(rows), 0, 0)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"file": name, "package": package, "path": path.name, "sha256": digest})
        rows[-1] |= {"title": path.stem, "category": "animal", "author": "A. Body", "licence": "CC0", "source": "x"}

    def locate(package):
        if package == "missing":
            raise PackageNotFoundError(package)
        return site

    monkeypatch.setattr(photographs, "read_list", lambda: rows)
    monkeypatch.setattr(photographs, "_site_of", locate)
    return site


def test_every_row_is_whole_and_every_photograph_has_a_licence():
    rows = read_list()
    assert len(rows) >= 12
    assert len({row["file"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {*photographs.FIELDS, *photographs.SHOWN} and all(row.values())


def test_what_the_installed_packages_bring_is_a_catalog(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    shop = load_catalog("photographs")
    assert shop.name == "photographs" and len(shop.items) >= 6
    assert "coffee" in shop.query_pictures
    for item in shop.items:
        assert item.metadata["author"] and item.metadata["licence"]


def test_they_are_copied_once_and_mended(packages):
    shop = load_photographs()
    [dog] = shop.items
    assert (dog.title, dog.metadata["author"], dog.path.name) == ("dog", "A. Body", "dog.png")
    assert query_picture(shop, "cat").name == "cat.png"
    written = dog.path.stat().st_mtime_ns
    assert load_photographs().items[0].path.stat().st_mtime_ns == written
    dog.path.write_bytes(b"damaged")
    assert load_photographs().items == shop.items
    (packages / "dog.png").unlink()  # what was copied is enough
    assert load_photographs().items == shop.items


def test_what_left_the_list_leaves_the_folder_and_nothing_else_does(packages, monkeypatch):
    folder = load_photographs().root
    (folder / "mine.png").write_bytes((folder / "dog.png").read_bytes()[:-1] + b"0")
    rows = [row for row in photographs.read_list() if row["file"] != "dog.png"]
    monkeypatch.setattr(photographs, "read_list", lambda: rows)
    assert [item.path.name for item in load_photographs().items] == ["mine.png"]
    assert (folder / "query" / "cat.png").exists() and not (folder / "dog.png").exists()


@pytest.mark.parametrize("table", [b"", b"nothing\n1,2\n", b"\xff\xfe\0\n", b"file\n../outside.png\n\n.\n"])
def test_a_damaged_table_deletes_nothing_and_is_written_anew(packages, table):
    folder = load_photographs().root
    outside = folder.parent / "outside.png"
    outside.write_bytes(b"")
    whole = (folder / "metadata.csv").read_bytes()
    (folder / "metadata.csv").write_bytes(table)
    load_photographs()
    assert (folder / "metadata.csv").read_bytes() == whole and outside.exists() and (folder / "dog.png").exists()


def test_a_package_that_is_not_there_is_named(packages):
    [skipped] = load_photographs().skipped
    assert skipped.path.name == "cow.png" and skipped.reason == "missing is not installed: pip install missing"


def test_another_release_that_holds_another_picture_is_named(packages):
    Image.new("RGB", (8, 8), "blue").save(packages / "dog.png")
    (packages / "cat.png").unlink()
    with pytest.raises(RagError, match="^None of the photographs is there .dog.png: this release of shown does not"):
        load_photographs()
