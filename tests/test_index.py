"""The index follows the catalog: complete, without duplicates, whatever was there before."""

import pytest

from rag_lib.catalog import load_folder, query_picture
from rag_lib.catalog.drawing import draw_product
from rag_lib.collection import Collection
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.index import collection_name, open_index, update_index


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket")


@pytest.fixture
def folder(tmp_path):
    import numpy as np
    from PIL import Image

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
        assert (again.added, again.removed, collection.count()) == (0, 0, 3)


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


def test_an_unreadable_picture_is_skipped_by_name(folder, encoder, tmp_path, capsys):
    (folder / "half.jpg").write_bytes((folder / "lamp.jpg").read_bytes()[:1500])
    with open_(folder, encoder, tmp_path) as collection:
        assert collection.count() == 3
    assert "half.jpg" in capsys.readouterr().out


def test_an_error_gives_the_lock_back(folder, encoder, tmp_path):
    class Broken:
        name, fingerprint, dim = encoder.name, encoder.fingerprint, encoder.dim

        def encode_images(self, paths, *, batch_size=32, progress=True):
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
