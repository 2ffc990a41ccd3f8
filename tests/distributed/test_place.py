"""Places and parts, without a cluster."""

import logging
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_lib.collection import bulk
from rag_lib.distributed import Embedded, Place
from rag_lib.distributed.__main__ import main
from rag_lib.distributed.parts import COLUMNS, keep
from rag_lib.distributed.place import UNREACHED
from rag_lib.errors import RagError
from rag_lib.records import Item

KEYS = "?endpoint_override={}&scheme=http&region=us-east-1"


def part(**rows):
    """A table of `COLUMNS`: name -> (mark, reason)."""
    values = [(name, mark, "" if why else "1" * 32, why, "", b"") for name, (mark, why) in rows.items()]
    return pa.table({key: [row[number] for row in values] for number, key in enumerate(COLUMNS)})


def test_hidden_files_are_left_out_alike(bucket, tmp_path):
    for name in ("b/x/a.jpg", "b/x/.b.jpg", "b/x/.c/d.jpg", "b/x/e/f g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    with bucket.serve(tmp_path) as endpoint:
        assert list(Place("s3://k:s@b/x" + KEYS.format(endpoint)).marks()) == ["a.jpg", "e/f g.txt"]
    assert list(Place(tmp_path / "b" / "x").marks()) == ["a.jpg", "e/f g.txt"]


def test_a_key_leads_nowhere_but_into_the_temporary_folder(bucket, tmp_path):
    (tmp_path / "b" / "x").mkdir(parents=True)
    with bucket.serve(tmp_path) as endpoint:
        place = Place("s3://k:s@b/x" + KEYS.format(endpoint))
        with place.at_hand(["../../evil.jpg", "a//b.jpg", "none.jpg"]) as (folder, failed):
            assert list(folder.iterdir()) == []
    assert "rename it" in failed["../../evil.jpg"] and "rename it" in failed["a//b.jpg"]
    assert failed["none.jpg"] == "there is no such file"


@pytest.mark.parametrize("url", ["nothing://x/y", "s3://k:s@b/none" + KEYS.format("127.0.0.1:9")])
def test_a_place_that_cannot_be_opened_is_a_sentence_without_keys(url):
    with pytest.raises(RagError, match="cannot be (opened|listed)") as error:
        Place(url).marks()
    assert "k:s" not in str(error.value)


def test_what_changed_and_what_could_not_be_fetched_is_tried_again(tmp_path):
    work = Place(tmp_path)
    keep(part(a=("1", ""), b=("1", ""), c=("1", f"{UNREACHED} (timed out)"), d=("1", "the file is empty")), work)
    keep(part(c=("1", f"{UNREACHED} (again)")), work)
    marks = {"a": "1", "b": "2", "c": "1", "d": "1", "e": "1"}
    assert Embedded(work, marks).todo() == ["b", "c", "e"]
    keep(part(c=("1", ""), b=("2", "")), work)
    assert Embedded(work, marks).todo() == ["e"]


def test_every_vector_is_read_where_a_part_ends_also_one_of_which_nothing_was_embedded(tmp_path):
    names, rows = [f"{number}.jpg" for number in range(7)], np.eye(7, 4, dtype="<f4")
    for start in range(0, 7, 3):  # three, three and the last, whose only picture is damaged
        values = [(name, "1", name, "", "", rows[int(name[0])].tobytes()) for name in names[start : start + 3]]
        values = values if start < 6 else [("6.jpg", "1", "6.jpg", "", "it is truncated", b"")]
        keep(pa.table({key: [row[number] for row in values] for number, key in enumerate(COLUMNS)}), Place(tmp_path))
    done = Embedded(Place(tmp_path), dict.fromkeys(names, "1"))
    assert done.todo() == []
    catalog, skipped = done.catalog(tmp_path, {})
    assert len(catalog.items) == 7 and [path.name for path, _ in skipped] == ["6.jpg"]
    batches = [*done.vectors(catalog.items, tmp_path, 4)]
    found = {item.path.name: row for items, vectors in batches for item, row in zip(items, vectors, strict=True)}
    assert sorted(found) == names[:6] and all((found[name] == rows[int(name[0])]).all() for name in found)


def test_no_row_for_a_bulk_import_is_lost_where_one_file_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "FILE_BYTES", 1_000)
    monkeypatch.setattr(logging.root, "handlers", [])
    for module in [name for name in sys.modules if name.startswith("pymilvus.bulk_writer")]:
        monkeypatch.delitem(sys.modules, module)
    items, vectors, counts = [Item(f"id{n:02}", tmp_path / f"{n}.jpg") for n in range(40)], np.eye(40, 8) + 1, []
    for n in (40, 7):  # the second time fewer files take the place of the earlier ones
        batches = [(items[start:n][:6], vectors[start:n][:6]) for start in range(0, n, 6)]
        files = bulk.write_bulk(tmp_path / "out", batches, dim=8, root=tmp_path)
        assert sorted((tmp_path / "out").iterdir()) == files
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        rows.sort(key=lambda row: row["image_id"])
        assert [row["image_id"] for row in rows] == [item.image_id for item in items[:n]]
        np.testing.assert_array_equal([row["vector"] for row in rows], vectors[:n])
        counts.append(len(files))
    assert counts[0] > counts[1]
    # its import would give the root logger a handler, and every library's log is seen
    assert logging.root.handlers == []
    # pymilvus would tell each file, with the whole path of this machine
    assert not logging.getLogger("pymilvus.bulk_writer.local_bulk_writer").isEnabledFor(logging.ERROR)


def test_a_damaged_part_counts_as_missing(tmp_path):
    work = Place(tmp_path)
    keep(part(a=("1", "")), work)
    (file,) = tmp_path.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    assert Embedded(work, {"a": "1"}).todo() == ["a"]
    keep(part(a=("1", "")), work)
    assert Embedded(work, {"a": "1"}).todo() == [] and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--images", "nowhere", "--out", "x"], "The image folder"),
        (["--images", "PHOTOS", "--out", "x", "--encoder", "pokcet"], "Did you mean 'pocket'"),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, photos, capsys, monkeypatch):
    monkeypatch.setattr("rag_lib.distributed.job.connect", lambda *_: None)
    assert main([str(photos) if word == "PHOTOS" else word for word in words]) == 1
    said = capsys.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1


def test_without_ray_the_command_says_how_to_install_it(photos, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--images", str(photos), "--out", "x"]) == 1
    assert "pip install '.[ray]'" in capsys.readouterr().err
