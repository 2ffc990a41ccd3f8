"""The embedding cache: nothing is embedded twice, and no fault of the disk is worse than embedding again."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from rag_lib.encoders import load_encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.encoders.pocket.loading import PocketEncoder
from rag_lib.images import content_id


class Counting(PocketEncoder):
    """The pocket encoder, which also counts the pictures that its model sees."""

    seen = 0

    def embed_images(self, prepared):
        self.seen += len(prepared)
        return super().embed_images(prepared)


def counting():
    encoder = load_encoder("pocket", device="cpu")
    encoder.__class__ = Counting
    return encoder


@pytest.fixture(scope="module")
def model():
    return counting()


@pytest.fixture
def encoder(model):
    model.seen = 0
    return model


def draw(folder, count=10, first=0):
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((160, 120)).save(folder / f"{number:03}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def paths(tmp_path):
    return draw(tmp_path / "pictures")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "embeddings" / "pocket.sqlite3"


def encode(encoder, paths, file, **options):
    with EmbeddingCache(file, encoder.dim) as cache:
        return encoder.encode_images(paths, progress=False, cache=cache, **{"batch_size": 4} | options)


def plain(encoder, paths):
    return encoder.encode_images(paths, batch_size=4, progress=False)


def test_a_second_run_encodes_nothing_and_gives_the_same_bits(encoder, paths, file):
    first = encode(encoder, paths, file)
    assert (encoder.seen, first.encoded) == (10, 10)
    again = encode(encoder, paths, file, batch_size=3)
    assert (encoder.seen, again.encoded) == (10, 0)
    assert again.kept == first.kept == tuple(paths)
    assert (again.vectors == first.vectors).all() and again.vectors.dtype == np.float32


def test_with_and_without_a_cache_the_same_is_kept_skipped_and_computed(encoder, paths, file):
    (paths[0].parent / "missing.png").symlink_to("nowhere.png")
    paths[2].write_text("<html>")
    paths[5].write_bytes(paths[6].read_bytes()[:2000])
    paths[7].write_bytes(b"")
    sources = [paths[0], str(paths[1]), *paths[2:], paths[0].parent, paths[0].parent / "missing.png", "no\0name.png"]
    without = plain(encoder, sources)
    assert [reason for _, reason in without.skipped] == [
        "it is not a picture in one of the formats JPEG, PNG, WEBP, BMP, GIF",
        "it is truncated or damaged",
        "the file is empty",
        "it is a folder, not a file",
        "it links to a file that is not there",
        "it cannot be decoded (ValueError)",
    ]
    encode(encoder, paths[::2], file)  # some are cached, some are not
    for _ in range(2):
        mixed = encode(encoder, sources, file)
        assert (mixed.kept, mixed.skipped) == (without.kept, without.skipped)
        assert np.abs(mixed.vectors - without.vectors).max() < 1e-5


def test_the_same_content_is_encoded_once_in_a_call(encoder, paths, file):
    copy = paths[0].parent / "copy.png"
    shutil.copy(paths[1], copy)
    found = encode(encoder, [paths[1], copy, paths[2], paths[1]], file, batch_size=32)
    assert (encoder.seen, found.encoded) == (2, 2)
    assert found.kept == (paths[1], copy, paths[2], paths[1])
    assert np.abs(found.vectors - plain(encoder, found.kept).vectors).max() < 1e-5


def test_a_renamed_or_copied_file_is_found_and_a_changed_one_is_not(encoder, paths, file):
    encode(encoder, paths, file)
    moved = paths[3].rename(paths[3].with_name("moved.png"))
    shutil.copy(paths[4], paths[4].with_name("copied.png"))
    assert encode(encoder, [moved, paths[4].with_name("copied.png")], file).encoded == 0
    paths[5].write_bytes(draw(paths[5].parent.parent / "other", 1, first=99)[0].read_bytes())
    changed = encode(encoder, paths[5:7], file)
    assert changed.encoded == 1
    assert np.abs(changed.vectors - plain(encoder, paths[5:7]).vectors).max() < 1e-5


def test_a_file_replaced_while_it_is_read_is_not_kept_under_its_old_content(paths, file):
    class Replacing(Counting):
        def prepare(self, source):
            shutil.copy(paths[1], paths[0])  # after the hash was taken, before the pixels are read
            return super().prepare(source)

    encoder = counting()
    encoder.__class__ = Replacing
    old = content_id(paths[0])
    with EmbeddingCache(file, encoder.dim) as cache:
        assert encoder.encode_images(paths[:1], progress=False, cache=cache).encoded == 1
        assert cache.get(old) is None and len(cache) == 0


def test_pil_images_pass_the_cache_by(encoder, paths, file):
    images = [Image.open(path) for path in paths[:2]]
    assert encode(encoder, [images[0], paths[1], images[0]], file).encoded == 3
    with EmbeddingCache(file, encoder.dim) as cache:
        assert len(cache) == 1


KILLED = """
import sys, time
from pathlib import Path
from rag_lib.encoders import load_encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.encoders.pocket.loading import PocketEncoder

class Stopping(PocketEncoder):
    calls = 0
    def embed_images(self, prepared):
        self.calls += 1
        if self.calls == 3:
            print("two batches are done", flush=True)
            time.sleep(600)
        return super().embed_images(prepared)

encoder = load_encoder("pocket", device="cpu")
encoder.__class__ = Stopping
paths = sorted(Path(sys.argv[1]).iterdir())
encoder.encode_images(paths, batch_size=4, progress=False, cache=EmbeddingCache(sys.argv[2], encoder.dim))
"""

# The mean color as the vector: no torch, so that both processes start at about the same time.
BESIDE = """
import sys, time
from pathlib import Path
import numpy as np
from rag_lib.encoders.base import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.images import open_image

class Mean(Encoder):
    name, fingerprint, dim = "mean", "1", 3
    def prepare(self, source):
        return np.asarray(open_image(source)).mean((0, 1))
    def embed_images(self, prepared):
        time.sleep(0.01)
        return np.stack(prepared).astype(np.float32)
    embed_queries = None

paths = sorted(Path(sys.argv[1]).iterdir())
print("ready", flush=True)
sys.stdin.readline()
with EmbeddingCache(sys.argv[2], 3) as cache:
    found = Mean().encode_images(paths, batch_size=1, progress=False, cache=cache)
    print(len(found.kept), len(cache), np.isfinite(found.vectors).all(), flush=True)
"""


def child(script, folder, file):
    command = [sys.executable, "-c", script, str(folder), str(file)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_killed_run_is_resumed_after_its_last_batch(encoder, paths, file):
    process = child(KILLED, paths[0].parent, file)
    try:
        assert process.stdout.readline() == "two batches are done\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    found = encode(encoder, paths, file)
    assert (encoder.seen, found.encoded) == (2, 2)  # of ten; two batches of four were committed
    assert np.abs(found.vectors - plain(encoder, paths).vectors).max() < 1e-5


def test_two_processes_at_once_both_finish(tmp_path, file):
    folder = tmp_path / "many"
    draw(folder, 60)
    processes = [child(BESIDE, folder, file) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["60 60 True\n"] * 2


def test_threads_share_one_cache(file):
    rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    with EmbeddingCache(file, 8) as cache, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cache.put([f"{n}"], rows[n : n + 1]), range(40)))
        assert all((row == rows[n]).all() for n, row in enumerate(pool.map(lambda n: cache.get(f"{n}"), range(40))))


def test_threads_that_meet_one_fault_say_it_once(tmp_path, capsys):
    (tmp_path / "a").touch()
    with EmbeddingCache(tmp_path / "a" / "b.sqlite3", 8) as cache, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: cache.get("x"), range(200))) == [None] * 200
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("fault", ["one bit", "cut", "of another picture", "a text", "nothing"])
def test_a_damaged_row_is_made_anew(encoder, paths, file, fault, capsys):
    whole = encode(encoder, paths, file)
    damaged = content_id(paths[6])
    with sqlite3.connect(file) as db:
        [blob] = db.execute("SELECT vector FROM embeddings WHERE image_id = ?", (damaged,)).fetchone()
        if fault == "of another picture":
            other = "SELECT vector, checksum FROM embeddings WHERE image_id = ?"
            row = db.execute(other, (content_id(paths[7]),)).fetchone()
            db.execute("UPDATE embeddings SET vector = ?, checksum = ? WHERE image_id = ?", (*row, damaged))
        else:
            wrong = {"one bit": bytes([blob[0] ^ 1]) + blob[1:], "cut": blob[:-4], "a text": "0.1", "nothing": None}
            db.execute("UPDATE embeddings SET vector = ? WHERE image_id = ?", (wrong[fault], damaged))
    db.close()
    again = encode(encoder, paths, file)
    assert again.encoded == 1 and np.abs(again.vectors - whole.vectors).max() < 1e-5
    assert encode(encoder, paths, file).encoded == 0
    assert capsys.readouterr().out == ""


def garbage(file):
    file.write_bytes(b"this is no database" * 1000)


def cut(file):
    file.write_bytes(file.read_bytes()[:5000])


def noise_inside(file):
    data = bytearray(file.read_bytes())
    data[4096:] = np.random.default_rng(0).bytes(len(data) - 4096)
    file.write_bytes(data)


def other_columns(file):
    file.unlink()
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE embeddings (a, b)")
    db.close()


@pytest.mark.parametrize("harm", [garbage, cut, noise_inside, other_columns])
def test_a_damaged_file_is_set_aside_with_one_line_and_begun_anew(encoder, paths, file, harm, capsys):
    whole = encode(encoder, paths, file)
    harm(file)
    again = encode(encoder, paths, file)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "begun anew" in said and str(file.parent) not in said
    assert again.encoded == 10 and np.abs(again.vectors - whole.vectors).max() < 1e-5
    assert file.with_name("pocket.sqlite3.damaged").exists()
    assert encode(encoder, paths, file).encoded == 0 and capsys.readouterr().out == ""


def test_a_journal_left_by_a_damaged_file_does_not_reach_the_new_one(encoder, paths, file):
    encode(encoder, paths, file)
    garbage(file)
    file.with_name("pocket.sqlite3-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\1" * 5000)
    assert encode(encoder, paths, file).encoded == 10
    assert encode(encoder, paths, file).encoded == 0


def test_without_a_place_to_write_there_is_no_cache_and_one_line(encoder, paths, tmp_path, capsys):
    (tmp_path / "embeddings").write_text("a file where the folder should be")  # chmod does not stop root
    found = encode(encoder, paths, tmp_path / "embeddings" / "pocket.sqlite3")
    assert found.encoded == 10
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "cannot be used" in said and str(tmp_path) not in said


def test_a_folder_in_the_files_place_is_no_failure(encoder, paths, file, capsys):
    file.mkdir(parents=True)
    assert encode(encoder, paths, file).encoded == 10
    assert capsys.readouterr().out.count("\n") == 1


def test_a_full_disk_keeps_what_there_is_and_says_so_once(encoder, paths, file, capsys):
    encode(encoder, paths[:4], file)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, limits[1]))
    try:
        found = encode(encoder, paths, file, batch_size=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert found.encoded == 6 and found.kept == tuple(paths)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "not kept" in said
    encoder.seen = 0
    encode(encoder, paths, file)
    assert encoder.seen < 10  # what was there before is still there
    assert np.abs(encode(encoder, paths, file).vectors - plain(encoder, paths).vectors).max() < 1e-5


def test_a_locked_file_is_read_but_not_written(encoder, paths, file, monkeypatch, capsys):
    encode(encoder, paths[:4], file)
    monkeypatch.setattr("rag_lib.encoders.cache.BUSY_S", 0.05)
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert encode(encoder, paths, file).encoded == 6
    finally:
        other.rollback()
        other.close()
    assert capsys.readouterr().out.count("\n") == 1


def test_what_is_there_is_read_on_after_a_writing_that_failed(file, monkeypatch, capsys):
    monkeypatch.setattr("rag_lib.encoders.cache.BUSY_S", 0.05)
    rows = np.eye(3, dtype=np.float32)
    with EmbeddingCache(file, 3) as cache:
        cache.put(["a"], rows[:1])
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")
            cache.put(["b"], rows[1:2])
            cache.put(["c"], rows[2:])
            assert (cache.get("a") == rows[0]).all() and cache.get("b") is None
            other.rollback()
    assert capsys.readouterr().out.count("are not kept") == 1


def test_rows_that_are_not_finite_never_enter(file):
    rows = np.eye(3, 4, dtype=np.float32)
    rows[1, 2], rows[2, 0] = np.nan, np.inf
    with EmbeddingCache(file, 4) as cache:
        cache.put(["a", "b", "c"], rows)
        assert (cache.get("a") == rows[0]).all() and cache.get("b") is cache.get("c") is None
        assert len(cache) == 1


def test_another_fingerprint_is_another_file(monkeypatch, tmp_path, encoder):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))

    class Other:
        name, fingerprint, dim = "org/model: v2", "abcp2h", 3

    with EmbeddingCache.for_encoder(encoder) as mine, EmbeddingCache.for_encoder(Other()) as other:
        assert mine.path.parent == other.path.parent == tmp_path / "data" / "embeddings"
        assert other.path.name == "org_model_v2-abcp2h.sqlite3"
        mine.put(["a"], np.ones((1, encoder.dim)))
        assert other.get("a") is None and mine.get("a") is not None
    assert encoder.fingerprint in mine.path.name and len(os.listdir(mine.path.parent)) == 2


def test_the_bar_counts_cached_pictures_too(encoder, paths, file, capsys):
    encode(encoder, paths, file)
    with EmbeddingCache(file, encoder.dim) as cache:
        encoder.encode_images([*paths, paths[0]], cache=cache)
    assert "11/11" in capsys.readouterr().err
