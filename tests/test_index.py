"""The index follows the catalog: complete, without duplicates, whatever was there before."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rag_lib.catalog import load_folder, query_picture
from rag_lib.collection import Collection
from rag_lib.collection.rows import schema
from rag_lib.drawn.drawing import draw_product
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.images import content_id
from rag_lib.index import collection_name, open_index, update_index


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The embedding cache of these tests is their own, and empty."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    for number, category in enumerate(("toaster", "lamp", "camera")):
        pixels = draw_product(np.random.default_rng(number), category, "leopard", "natural", size=128)
        Image.fromarray(pixels).save(path / f"{category}.jpg")
    return path


def open_(folder, encoder, tmp_path):
    return open_index(load_folder(folder), encoder, str(tmp_path / "milvus.db"), progress=False)


def test_opening_twice_embeds_nothing_twice(folder, encoder, tmp_path):
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3
        again = update_index(collection, load_folder(folder), encoder, progress=False)
        assert (again.added, again.removed, again.encoded, collection.count()) == (0, 0, 0, 3)


def test_a_picture_finds_itself(folder, encoder, tmp_path):
    with open_(folder, encoder, tmp_path) as collection:
        hit = collection.search(encoder.encode_query(folder / "lamp.jpg"), limit=1)[0]
    assert hit.item.path == folder / "lamp.jpg"
    assert hit.score == pytest.approx(1, abs=1e-4)


def test_the_index_follows_added_and_removed_files(folder, encoder, tmp_path):
    open_(folder, encoder, tmp_path).close()
    (folder / "toaster.jpg").unlink()
    with open_(folder, encoder, tmp_path) as collection:
        stored = collection.ids()
    assert stored == {item.image_id for item in load_folder(folder).items}
    assert len(stored) == 2


def test_the_index_follows_new_names_and_metadata(folder, encoder, tmp_path):
    with open_(folder, encoder, tmp_path) as collection:
        before = collection.ids()
    (folder / "lamp.jpg").rename(folder / "renamed.jpg")  # the same content: the same id
    (folder / "metadata.csv").write_text("file,title,price\nrenamed.jpg,Bedside lamp,12.5\n")
    query = encoder.encode_query(folder / "renamed.jpg")
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.ids() == before
        item = collection.search(query, limit=1)[0].item
        assert collection.outdated(load_folder(folder).items) == []
    assert (item.path, item.title, item.metadata["price"]) == (folder / "renamed.jpg", "Bedside lamp", 12.5)


def test_rows_lost_are_made_again(folder, encoder, tmp_path):
    with open_(folder, encoder, tmp_path) as collection:
        collection.delete([load_folder(folder).items[0].image_id])
        assert collection.count() == 2
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3


def update(folder, encoder, uri, **options):
    catalog = load_folder(folder)
    with Collection(uri, collection_name(catalog, encoder), dim=encoder.dim, root=catalog.root) as collection:
        report = update_index(collection, catalog, encoder, progress=False, **options)
        hits = collection.search(encoder.encode_query(folder / "lamp.jpg"), limit=9)
    return report, [(hit.item.path, hit.score) for hit in hits]


@pytest.mark.parametrize("fate", ["lost", "damaged", "other"])
def test_a_database_is_filled_again_without_encoding(folder, encoder, tmp_path, fate):
    uri = tmp_path / "milvus.db"
    first, hits = update(folder, encoder, uri)
    assert (first.added, first.encoded) == (3, 3)
    if fate == "lost":
        shutil.rmtree(uri)
    elif fate == "damaged":  # opens with rows missing
        for file in uri.rglob("*.parquet"):
            file.unlink()
    again, same = update(folder, encoder, tmp_path / "two.db" if fate == "other" else uri)
    assert (again.added, again.encoded) == (3, 0)
    assert same == hits and len(hits) == 3


def test_new_names_and_metadata_are_stored_without_encoding(folder, encoder, tmp_path):
    update(folder, encoder, tmp_path / "milvus.db")
    (folder / "toaster.jpg").rename(folder / "renamed.jpg")
    report, hits = update(folder, encoder, tmp_path / "milvus.db")
    assert (report.added, report.removed, report.encoded) == (1, 0, 0)
    assert folder / "renamed.jpg" in dict(hits)


def test_the_cache_can_be_left_out(folder, encoder, tmp_path):
    for number in range(2):
        report, _ = update(folder, encoder, tmp_path / f"{number}.db", cache=False)
        assert report.encoded == 3
    open_index(load_folder(folder), encoder, str(tmp_path / "2.db"), progress=False, cache=False).close()
    assert not (tmp_path / "data" / "embeddings").exists()


def test_bad_files_in_between_shift_nothing_from_the_folder_to_the_hits(folder, encoder, tmp_path):
    """Titles, paths, ids and vectors belong together at the end as they did at the start."""
    (folder / "aaa.jpg").write_bytes(b"")
    (folder / "camera_twin.jpg").write_bytes((folder / "camera.jpg").read_bytes())
    (folder / "half.jpg").write_bytes((folder / "lamp.jpg").read_bytes()[:1500])  # its header is whole
    (folder / "lamp.heic").write_bytes(b"x")
    (folder / "mug.jpg").write_text("<html>")
    Image.fromarray(draw_product(np.random.default_rng(9), "mouse", "zebra", "natural")).save(folder / "zebra.png")
    good = ("camera.jpg", "lamp.jpg", "toaster.jpg", "zebra.png")
    (folder / "metadata.csv").write_text(
        "file,title\n" + "".join(f"{path.name},Title of {path.name}\n" for path in sorted(folder.iterdir()))
    )
    catalog = load_folder(folder)
    for _ in range(2):  # the second time from the cache
        with Collection(tmp_path / "milvus.db", "shift", dim=encoder.dim, root=catalog.root) as collection:
            report = update_index(collection, catalog, encoder, progress=False)
            for name in good:
                hit = collection.search(encoder.encode_query(folder / name), limit=1)[0]
                assert (hit.item.path, hit.item.title) == (folder / name, f"Title of {name}")
                assert hit.item.image_id == content_id(folder / name)
                assert hit.score == pytest.approx(1, abs=1e-4)
            assert collection.ids() == {content_id(folder / name) for name in good}
        assert {path.name: reason for path, reason in report.skipped} == {
            "aaa.jpg": "the file is empty",
            "camera_twin.jpg": "same picture as camera.jpg, which stays 'Title of camera.jpg'; "
            "metadata.csv line 4, 'Title of camera_twin.jpg', is not used",
            "half.jpg": "it is truncated or damaged",
            "lamp.heic": ".heic files are not read: save it as .jpg or .png",
            "mug.jpg": "it is not a picture in one of the formats JPEG, PNG, WEBP, BMP, GIF",
        }
        shutil.rmtree(tmp_path / "milvus.db")


def test_an_unreadable_picture_is_skipped_by_name(folder, encoder, tmp_path, capsys):
    (folder / "half.jpg").write_bytes((folder / "lamp.jpg").read_bytes()[:1500])
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3
    assert "half.jpg" in capsys.readouterr().out


def test_an_error_gives_the_lock_back(folder, encoder, tmp_path):
    class Broken:
        name, fingerprint, dim = encoder.name, encoder.fingerprint, encoder.dim

        def encode_images(self, paths, **_):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        open_(folder, Broken(), tmp_path)
    name = collection_name(load_folder(folder), encoder)
    with Collection(tmp_path / "milvus.db", name, dim=encoder.dim, lock_timeout=0.1) as collection:
        assert collection.count() == 0


def test_query_pictures_go_by_name_or_path(folder):
    (folder / "query").mkdir()
    (folder / "camera.jpg").rename(folder / "query" / "owl.jpg")
    catalog = load_folder(folder)
    assert query_picture(catalog, "owl") == folder / "query" / "owl.jpg"
    assert query_picture(catalog, str(folder / "lamp.jpg")) == folder / "lamp.jpg"
    assert query_picture(catalog, "") is None
    with pytest.raises(RagError, match="no query picture 'owll'.*Did you mean 'owl'"):
        query_picture(catalog, "owll")


def test_a_collection_that_an_earlier_version_made_is_made_anew_without_embedding_again(
    folder, encoder, tmp_path, monkeypatch
):
    whole = schema
    monkeypatch.setattr("rag_lib.collection.opening.schema", lambda dim, full: whole(dim, full=False))
    with open_(folder, encoder, tmp_path) as old:
        assert old.needs_rebuild and old.count() == 3
    monkeypatch.undo()
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.setattr(encoder, "embed_images", None)  # the vectors are in the embedding cache
    with open_(folder, encoder, tmp_path) as collection:
        assert not collection.needs_rebuild and collection.count() == 3
        vector = encoder.encode_query(folder / "lamp.jpg")
        assert collection.search(vector, limit=1, text="camera")[0].item.path == folder / "camera.jpg"
