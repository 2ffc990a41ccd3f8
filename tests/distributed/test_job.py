"""The job on a Ray cluster of two workers makes what one process makes, whatever is killed meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rag_lib.distributed import Place, Settings, embed, job
from rag_lib.distributed.__main__ import main
from rag_lib.index import open_index

SETTINGS = Settings("pocket", batch=4, part=8)
ROOT = Path(__file__).resolve().parents[2]
SAME = {"rtol": 0, "atol": 1e-6}  # the same picture in a batch of another size: sums are rounded in another order


def run(place, work, settings=SETTINGS):
    """(catalog, skipped, id -> vector) by the job."""
    model = job.describe(settings)
    done = embed(place, work, model, settings, progress=False)
    catalog, skipped = done.catalog(place.root, place.metadata(list(place.marks())))
    batches = done.vectors(catalog.items, place.root, model.dim)
    return (
        catalog,
        skipped,
        {item.image_id: row for items, rows in batches for item, row in zip(items, rows, strict=True)},
    )


def assert_same_vectors(found, expected):
    assert found.keys() == expected.keys()
    ids = sorted(expected)
    np.testing.assert_allclose(np.stack([found[key] for key in ids]), np.stack([expected[key] for key in ids]), **SAME)


def parts(work):
    return {file.name: file.stat().st_mtime_ns for file in Path(work).glob("*.parquet")}


def test_ids_titles_skips_and_vectors_are_those_of_one_process(cluster, photos, alone, tmp_path):
    catalog, skipped, vectors = run(Place(photos), Place(tmp_path / "work"))
    assert catalog == alone.catalog and skipped == alone.skipped
    assert len(skipped) == 7
    assert_same_vectors(vectors, alone.vectors)


def test_a_killed_worker_is_replaced_and_nothing_is_lost(cluster, photos, alone, tmp_path, monkeypatch):
    flag = tmp_path / "killed"

    class KilledOnce(job.Embed):
        def __call__(self, batch):
            found = super().__call__(batch)
            if any("blue_lamp-20" in name for name in found["name"]) and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)  # its work is done, and not yet handed on
            return found

    monkeypatch.setattr(job, "Embed", KilledOnce)
    catalog, skipped, vectors = run(Place(photos), Place(tmp_path / "work"))
    assert flag.exists()
    assert catalog == alone.catalog and skipped == alone.skipped
    assert_same_vectors(vectors, alone.vectors)


def test_a_killed_job_goes_on_where_it_stopped(cluster, pictures, alone, tmp_path):
    work = tmp_path / "work"
    command = [sys.executable, "-m", "rag_lib.distributed", "--images", pictures, "--encoder", "pocket", "--work", work]
    command += ["--out", tmp_path / "out", "--batch-size", 1, "--part-size", 2, "--ray-address", cluster]
    with open(tmp_path / "log", "w") as log:
        driver = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 240  # seconds
        while not parts(work) and driver.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    kept = parts(work)
    assert kept, (tmp_path / "log").read_text()
    place = Place(pictures)
    from rag_lib.distributed.parts import Embedded

    left = Embedded(Place(work), place.marks()).todo()
    assert 0 < len(left) < len(place.marks())
    _, _, vectors = run(place, Place(work))
    assert_same_vectors(vectors, alone.vectors)
    now = parts(work)
    assert kept.items() <= now.items(), "a part that was whole was written again"
    # What changed later is embedded alone, and what is gone is left out.
    (pictures / "sub" / "blue_lamp-00.jpg").unlink()
    shutil.copy(pictures / "sub" / "blue_lamp-01.png", pictures / "new.png")
    assert Embedded(Place(work), place.marks()).todo() == ["new.png"]


def test_the_command_fills_a_collection_that_one_process_finds_complete(cluster, photos, alone, tmp_path, capsys):
    uri, work = str(tmp_path / "a.db"), str(tmp_path / "work")
    words = ["--images", str(photos), "--encoder", "pocket", "--milvus-uri", uri, "--work", work]
    assert main(words) == 0
    said = capsys.readouterr()
    assert f"{len(alone.vectors)} rows added and 0 removed" in said.out
    assert "skipped cut.jpg: it is truncated or damaged" in said.out
    lines = [json.loads(line) for line in (tmp_path / "work" / "skipped.jsonl").read_text().splitlines()]
    assert [(Path(line["file"]), line["reason"]) for line in lines] == [*alone.skipped]
    with open_index(alone.catalog, alone.encoder, uri, progress=False, cache=False) as collection:
        assert collection.compare(alone.catalog.items).besides == []
        assert collection.ids() == alone.vectors.keys()
        item = alone.catalog.items[3]
        hit = collection.search(alone.vectors[item.image_id], 1)[0]
        assert hit.item == item and hit.score == pytest.approx(1, abs=1e-5)
    assert main(words) == 0 and "0 rows added and 0 removed" in capsys.readouterr().out


def test_the_command_writes_what_bulk_import_takes(cluster, photos, alone, tmp_path, capsys):
    import pyarrow.parquet as pq

    words = ["--images", str(photos), "--encoder", "pocket", "--work", str(tmp_path / "work")]
    for _ in range(2):  # the second replaces the files of the first
        assert main([*words, "--out", str(tmp_path / "out")]) == 0
    about = json.loads((tmp_path / "out" / "import.json").read_text())
    assert about["files"] == [["00001.parquet"]] and about["rows"] == len(alone.vectors)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["00001.parquet", "import.json"]
    rows = {row["image_id"]: row for row in pq.read_table(tmp_path / "out" / "00001.parquet").to_pylist()}
    assert_same_vectors({key: np.float32(row["vector"]) for key, row in rows.items()}, alone.vectors)
    lamp = next(row for row in rows.values() if row["title"] == "A lamp")
    assert (lamp["path"], lamp["category"], lamp["price"]) == ("sub/blue_lamp-00.jpg", "lamp", 3.5)


def test_a_bucket_is_read_and_work_kept_in_it(cluster, photos, alone, tmp_path, bucket):
    shutil.copytree(photos, tmp_path / "shop" / "photos")
    with bucket.serve(tmp_path) as endpoint:
        query = f"?endpoint_override={endpoint}&scheme=http&region=us-east-1"
        place, work = (Place(f"s3://key:secret@shop/{name}{query}") for name in ("photos", "work"))
        catalog, skipped, vectors = run(place, work)
        assert work.listed(".parquet") and not run_again(place, work)

    def bare(root, items):
        return [(item.path.relative_to(root), item.image_id, item.title, dict(item.metadata)) for item in items]

    assert bare(place.root, catalog.items) == bare(photos, alone.catalog.items)
    assert [(path.relative_to(place.root), why) for path, why in skipped] == [
        (path.relative_to(photos), why) for path, why in alone.skipped
    ]
    assert_same_vectors(vectors, alone.vectors)
    assert "secret" not in f"{place.shown}{place.root}"


def run_again(place, work):
    """What the same job would embed."""
    from rag_lib.distributed.parts import Embedded

    return Embedded(work, place.marks()).todo()


def test_a_worker_that_loads_another_model_says_so(cluster, photos, tmp_path):
    from rag_lib.errors import RagError

    model = job.describe(SETTINGS)._replace(fingerprint="another")
    with pytest.raises(RagError, match="and another was expected: the machines have other weights"):
        embed(Place(photos), Place(tmp_path / "work"), model, SETTINGS, progress=False)


def test_a_cluster_that_does_not_start_here_is_a_sentence(tmp_path):
    code = "from rag_lib.distributed import job; job.connect(job.Settings('pocket'))"
    folder = tmp_path / ("too long for a socket " * 6)
    folder.mkdir()
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"RAY_TMPDIR": str(folder), "RAY_ADDRESS": ""},
        capture_output=True,
        text=True,
    )
    assert "RagError: Ray did not start here (" in told.stderr and "run this again when less runs" in told.stderr
