"""The index follows the catalog: complete, without duplicates, whatever was there before."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tqdm.auto import tqdm

from rag_lib.catalog import load_folder, query_picture
from rag_lib.collection import Collection
from rag_lib.collection.rows import schema
from rag_lib.drawn.drawing import draw_product
from rag_lib.encoders import load_encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.errors import RagError
from rag_lib.images import content_id
from rag_lib.index import collection_name, open_index, repair_index, update_index, verify_index


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


# Pictures that change, and many of them


@pytest.mark.parametrize("back", [True, False])
def test_a_picture_that_is_another_one_while_it_is_embedded_gives_no_vector_to_the_first(
    folder, encoder, tmp_path, monkeypatch, capsys, back
):
    """It was A when the catalog was read, B when it was embedded, and perhaps A again."""
    catalog, lamp, encode = load_folder(folder), folder / "lamp.jpg", encoder.encode_images
    first, other = lamp.read_bytes(), (folder / "camera.jpg").read_bytes() + b"more"

    def swap(paths, **options):
        lamp.write_bytes(other)
        found = encode(paths, **options)
        if back:
            lamp.write_bytes(first)
        return found

    monkeypatch.setattr(encoder, "encode_images", swap)
    with open_index(catalog, encoder, str(tmp_path / "milvus.db"), progress=False) as collection:
        assert collection.ids() == {item.image_id for item in catalog.items if item.path != lamp}
    assert "skipped lamp.jpg: it changed while it was indexed" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    lamp.write_bytes(first)
    with open_(folder, encoder, tmp_path) as collection:
        hit = collection.search(encoder.encode_query(lamp), limit=1)[0]
    assert (hit.item.path, hit.score) == (lamp, pytest.approx(1, abs=1e-4))


def test_nothing_is_lost_where_one_chunk_ends_and_all_chunks_share_one_bar(folder, encoder, tmp_path, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            bars.extend([] if self.disable or self.desc == "reading the collection" else [self])  # that one comes late

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    monkeypatch.setattr("rag_lib.index.tqdm", Bar)
    monkeypatch.setattr("rag_lib.collection.milvus.tqdm", Bar)
    for number in range(4):
        Image.new("RGB", (32, 32), (9 * number, 60, 90)).save(folder / f"plain{number}.png")
    for chunk in (1, 2, 3, 6, 7):
        monkeypatch.setattr("rag_lib.index.CHUNK", chunk)
        bars.clear()
        with open_index(load_folder(folder), encoder, str(tmp_path / f"{chunk}.db"), cache=False) as collection:
            assert collection.ids() == {item.image_id for item in load_folder(folder).items} and len(collection) == 7
        assert [(bar.desc, bar.total, bar.n) for bar in bars] == [("encode", 7, 7)]


def test_ten_skipped_pictures_are_named_and_the_rest_is_counted(folder, encoder, tmp_path, capsys):
    for number in range(14):
        (folder / f"twin{number:02}.jpg").write_bytes((folder / "lamp.jpg").read_bytes())
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[:10] == [f"skipped twin{number:02}.jpg: same picture as lamp.jpg" for number in range(10)]
    assert lines[10:] == ["skipped 4 more"]


def test_any_name_of_an_encoder_or_catalog_makes_a_name_of_a_collection(folder, encoder, tmp_path):
    class Named:
        fingerprint, dim, encode_images = encoder.fingerprint, encoder.dim, encoder.encode_images

        def __init__(self, name):
            self.name = name

    for name in ("/modèles/évalué", "模型", "x" * 300):
        catalog = replace(load_folder(folder), name="7 pictures é")
        made = collection_name(catalog, Named(name))
        assert made.isascii() and made.isidentifier() and len(made) < 255 and made.endswith(encoder.fingerprint)
        with open_index(catalog, Named(name), str(tmp_path / "milvus.db"), progress=False) as collection:
            assert collection.count() == 3
    assert collection_name(load_folder(folder), encoder).endswith(f"_pocket_{encoder.fingerprint}")


# Whose rows they are


def test_a_catalog_that_was_loaded_earlier_removes_nothing_that_was_indexed_since(folder, encoder, tmp_path, capsys):
    old = load_folder(folder)
    Image.new("RGB", (64, 64), "teal").save(folder / "new.png")
    open_(folder, encoder, tmp_path).close()
    with open_index(old, encoder, str(tmp_path / "milvus.db"), progress=False) as collection:
        assert collection.count() == 4
        assert update_index(collection, old, encoder, progress=False).besides == 1
    assert "kept 1 rows that are not in this catalog" in capsys.readouterr().out
    Image.new("RGB", (64, 64), "red").save(folder / "new.png")  # what was indexed is gone
    with open_index(old, encoder, str(tmp_path / "milvus.db"), progress=False) as collection:
        assert collection.ids() == {item.image_id for item in old.items}


def test_a_picture_that_the_catalog_leaves_out_is_removed_though_it_is_there(folder, encoder, tmp_path):
    open_(folder, encoder, tmp_path).close()
    catalog = load_folder(folder)
    camera, *rest = catalog.items
    without = replace(catalog, items=tuple(rest), skipped=((camera.path, "not wanted"),))
    with open_index(without, encoder, str(tmp_path / "milvus.db"), progress=False) as collection:
        assert collection.ids() == {item.image_id for item in rest}


def test_an_owner_is_a_plain_name(folder, encoder, tmp_path):
    with pytest.raises(RagError, match="The owner 'an na' is no plain name"):
        open_index(load_folder(folder), encoder, str(tmp_path / "a.db"), owner="an na")


def test_a_local_folder_asks_for_no_owner(folder, encoder, tmp_path):
    """One user has it, who may move his pictures, or keep two folders under one name."""
    with open_index(
        replace(load_folder(folder), name="shop"), encoder, str(tmp_path / "milvus.db"), progress=False
    ) as collection:
        own = collection.ids()
    copy = shutil.copytree(folder, tmp_path / "copy")
    with open_index(
        replace(load_folder(copy), name="shop"), encoder, str(tmp_path / "milvus.db"), progress=False
    ) as collection:
        assert collection.ids() == own
        assert collection.search(encoder.encode_query(copy / "lamp.jpg"), limit=1)[0].item.path == copy / "lamp.jpg"


def test_the_collection_of_a_folder_that_was_moved_is_named(folder, encoder, tmp_path, capsys):
    with open_(folder, encoder, tmp_path) as collection:
        old = collection.name
    twin = shutil.copytree(folder, tmp_path / "elsewhere" / "pictures")
    open_(twin, encoder, tmp_path).close()
    assert old not in capsys.readouterr().out  # both are there
    (tmp_path / "new").mkdir()
    folder = folder.rename(tmp_path / "new" / "pictures")
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3 and collection.name != old
    assert f"left {old}: its folder is gone. Collection(" in capsys.readouterr().out
    with open_(folder, encoder, tmp_path):
        assert capsys.readouterr().out == ""


# Kills and damage

KILLED = """
import os, sys
from milvus_lite.storage.wal import WAL
from rag_lib.catalog import load_folder
from rag_lib.encoders import load_encoder
from rag_lib import index
flushes = int(sys.argv[3])
index.CHUNK = 1
close = WAL.close_and_delete
def die(self):
    global flushes
    flushes -= 1
    close(self) if flushes else os._exit(9)
WAL.close_and_delete = die  # the manifest is saved, the log is still there
index.open_index(load_folder(sys.argv[1]), load_encoder("pocket"), sys.argv[2], progress=False)
"""


@pytest.mark.parametrize("flush", [2, 3, 4])
def test_killed_within_a_flush_no_row_comes_twice(folder, encoder, tmp_path, flush):
    uri = str(tmp_path / "milvus.db")
    killed = subprocess.run([sys.executable, "-c", KILLED, folder, uri, str(flush)], capture_output=True, text=True)
    assert killed.returncode == 9, killed.stderr
    with Collection(uri, collection_name(load_folder(folder), encoder)) as collection:
        assert collection.count() == len(collection.ids()) == len(collection.search(encoder.encode_query(text="lamp")))
    for _ in range(2):
        with open_(folder, encoder, tmp_path) as collection:
            hits = collection.search(encoder.encode_query(folder / "lamp.jpg"), limit=9)
            assert collection.count() == 3 == len({hit.item.image_id for hit in hits}) == len(hits)


def test_every_row_is_verified_and_what_is_wrong_is_repaired_from_the_cache(folder, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("rag_lib.index.CHUNK", 2)
    with open_(folder, encoder, tmp_path) as collection:
        catalog = load_folder(folder)
        everything = (collection, catalog, encoder)
        assert verify_index(*everything, progress=False) == ([], [], 0, False)
        lamp, toaster = (next(item for item in catalog.items if item.path.stem == name) for name in ("lamp", "toaster"))
        collection.upsert([lamp], np.eye(encoder.dim)[:1])
        collection.delete([toaster.image_id])
        assert verify_index(*everything, progress=False) == ([toaster], [lamp.image_id], 0, True)
        monkeypatch.setattr(encoder, "embed_images", None)  # the vectors are in the embedding cache
        assert repair_index(*everything, progress=False).encoded == 0
        assert verify_index(*everything, progress=False) == ([], [], 0, False)
        assert collection.search(stored_vectors(folder, encoder)["lamp.jpg"], limit=1)[0].item == lamp
        with EmbeddingCache.for_encoder(encoder) as cache:
            cache.path.unlink()
        assert verify_index(*everything, progress=False).unknown == 3


def test_rows_that_come_twice_already_are_made_again_from_the_cache(folder, encoder, tmp_path, monkeypatch):
    """An earlier version wrote on after such a kill."""
    uri = tmp_path / "milvus.db"
    with open_(folder, encoder, tmp_path):
        pass
    (data,) = uri.rglob("*.parquet")
    copy = data.with_name(data.name.replace("data_", "data_9"))
    shutil.copy(data, copy)
    manifest = next(uri.rglob("manifest.json"))
    text = manifest.read_text()
    manifest.write_text(text.replace(json.dumps(f"data/{data.name}"), f'"data/{data.name}", "data/{copy.name}"'))
    monkeypatch.setattr(encoder, "embed_images", None)
    with Collection(uri, collection_name(load_folder(folder), encoder), root=folder) as collection:
        assert collection.count() == 6
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3 == len(collection.search(encoder.encode_query(text="lamp"), limit=9))


def stored_vectors(folder, encoder):
    with EmbeddingCache.for_encoder(encoder) as cache:
        return {item.path.name: cache.get(item.image_id) for item in load_folder(folder).items}


def flip(path, vector, place, bit):
    """One bit of one component of a stored vector."""
    content = bytearray(path.read_bytes())
    at = content.find(vector.astype("<f4").tobytes())
    assert at >= 0
    content[at + 4 * place + bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("bit", [30, 29, 31, 23])
def test_a_flipped_bit_of_the_index_is_found_at_the_next_opening(folder, encoder, tmp_path, monkeypatch, bit, capsys):
    open_(folder, encoder, tmp_path).close()
    vectors = stored_vectors(folder, encoder)
    vector = vectors["lamp.jpg"] / np.linalg.norm(vectors["lamp.jpg"])
    (index,) = (tmp_path / "milvus.db").rglob("*.vector.*.idx")
    flip(index, vector, int(np.argmax(np.abs(vector))), bit)
    monkeypatch.setattr(encoder, "embed_images", None)  # the vectors are in the embedding cache
    with open_(folder, encoder, tmp_path) as collection:
        for name in vectors:
            scores = {hit.item.path.name: hit.score for hit in collection.search(vectors[name])}
            assert scores == pytest.approx({each: vectors[each] @ vectors[name] for each in vectors}, abs=1e-4)
    assert "is made again from the embedding cache" in capsys.readouterr().out


def test_a_row_whose_vector_is_not_the_one_that_was_written_is_found_at_the_next_opening(
    folder, encoder, tmp_path, monkeypatch
):
    open_(folder, encoder, tmp_path).close()
    vectors = stored_vectors(folder, encoder)
    (data,) = (tmp_path / "milvus.db").rglob("*.parquet")
    table = pq.read_table(data)
    rows = table.to_pylist()
    rows[0]["vector"], rows[1]["vector"] = rows[1]["vector"], rows[0]["vector"]  # of length 1, and another's
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), data)
    for index in (tmp_path / "milvus.db").rglob("*.idx"):
        index.unlink()
    monkeypatch.setattr(encoder, "embed_images", None)
    with open_(folder, encoder, tmp_path) as collection:
        for name, vector in vectors.items():
            assert collection.search(vector, limit=1)[0].item.path.name == name


def test_a_score_that_no_cosine_has_is_refused_and_not_shown_as_1(folder, encoder, tmp_path):
    collection = open_(folder, encoder, tmp_path)
    name = collection.name
    collection.close()
    vectors = stored_vectors(folder, encoder)
    vector = vectors["lamp.jpg"] / np.linalg.norm(vectors["lamp.jpg"])
    (index,) = (tmp_path / "milvus.db").rglob("*.vector.*.idx")
    place = int(np.argmax(np.abs(vector)))
    flip(index, vector, place, 30)
    with Collection(tmp_path / "milvus.db", name) as collection:
        with pytest.raises(RagError, match="is damaged.*open it with open_index"):
            collection.search(np.sign(vector[place]) * np.eye(encoder.dim)[place])
