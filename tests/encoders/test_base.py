"""What all encoders share, shown with the smallest one: the mean color of a picture as its vector."""

import io
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from tqdm import tqdm

from rag_lib.encoders.base import Encoder
from rag_lib.errors import RagError
from rag_lib.images import open_image


class MeanColor(Encoder):
    """`fits`: pictures that memory holds at once; `fault`: what is raised above that; `sizes`: of all batches."""

    name, fingerprint, dim = "mean-color", "1", 3

    def __init__(self, *, fits=1000, fault=None):
        self.fits, self.fault, self.sizes = fits, fault, []

    def prepare(self, source):
        return np.asarray(open_image(source), np.float32).mean((0, 1))

    def embed_images(self, prepared):
        self.sizes.append(len(prepared))
        if len(prepared) > self.fits:
            raise self.fault
        rows = np.stack(prepared)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_queries(self, prepared, texts):
        self.sizes.append(len(texts))
        if len(texts) > self.fits:
            raise self.fault
        return np.eye(3, dtype=np.float32)[[len(text) % 3 for text in texts]] if prepared is None else prepared


@pytest.fixture
def paths(tmp_path):
    colors = np.random.default_rng(0).integers(1, 256, (25, 3), dtype=np.uint8)
    found = [tmp_path / f"{number:02}.png" for number in range(25)]
    for path, color in zip(found, colors, strict=True):
        Image.new("RGB", (4, 4), tuple(map(int, color))).save(path)
    return found


def encode(encoder, paths, batch_size=8):
    return encoder.encode_images(paths, batch_size=batch_size, progress=False)


def test_a_bar_that_is_given_goes_on_by_each_picture_and_stays_open(paths, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"bad")
    with tqdm(total=60, file=io.StringIO()) as bar:
        for some, size in ((paths, 8), ([*paths[:3], tmp_path / "bad.png"], 1)):
            MeanColor().encode_images(some, batch_size=size, progress=bar)
        assert bar.n == 29 and not bar.disable


def test_rows_stay_in_order_though_some_pictures_are_slow_to_read(paths):
    class Slow(MeanColor):
        def prepare(self, source):
            time.sleep(0.02 * (int(source.stem) % 3 == 0))
            return super().prepare(source)

    slow = encode(Slow(), paths)
    assert slow.kept == tuple(paths) and slow.encoded == 25
    expected = np.concatenate([encode(MeanColor(), [path]).vectors for path in paths])
    assert np.allclose(slow.vectors, expected, atol=1e-6)


def test_pictures_are_read_while_the_model_computes_but_not_all_at_once(paths):
    read, at_first_batch = [], []

    class Watching(MeanColor):
        def prepare(self, source):
            read.append((source, threading.current_thread() is threading.main_thread()))
            return super().prepare(source)

        def embed_images(self, prepared):
            if not at_first_batch:
                deadline = time.monotonic() + 10
                while len(read) <= 2 and time.monotonic() < deadline:
                    time.sleep(0.01)  # the readers go on meanwhile
                time.sleep(0.1)
                at_first_batch.append(len(read))
            return super().embed_images(prepared)

    encode(Watching(), paths, batch_size=2)
    assert 2 < at_first_batch[0] <= 8 and len(read) == 25
    assert not any(on_main for _, on_main in read)


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "mps", "python"],
)
def test_a_batch_that_does_not_fit_is_halved_and_the_next_ones_start_smaller(paths, fault):
    encoder = MeanColor(fits=3, fault=fault)
    found = encode(encoder, paths, batch_size=16)
    assert encoder.sizes == [16, 8, 4, *[2] * 8, *[2] * 4, 1]  # 16 in twos, then the nine others
    assert found.kept == tuple(paths) and found.encoded == 25
    assert np.allclose(found.vectors, encode(MeanColor(), paths).vectors, atol=1e-6)


def test_one_picture_that_does_not_fit_is_an_error_with_a_remedy(paths):
    with pytest.raises(RagError, match='mean-color does not fit .* one at a time.*device="cpu"') as caught:
        encode(MeanColor(fits=0, fault=torch.OutOfMemoryError("CUDA out of memory")), paths)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("fault", [RuntimeError("shapes cannot be multiplied"), ValueError("x"), KeyboardInterrupt()])
def test_other_errors_pass_through_at_once(paths, fault):
    encoder = MeanColor(fits=0, fault=fault)
    with pytest.raises(type(fault)) as caught:
        encode(encoder, paths)
    assert caught.value is fault and encoder.sizes == [8]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read")]


def test_a_fault_of_the_program_is_not_taken_for_a_bad_picture(paths):
    class Wrong(MeanColor):
        def prepare(self, source):
            return source.no_such_attribute

    with pytest.raises(AttributeError, match="no_such_attribute"):
        encode(Wrong(), paths)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17])
def test_nothing_is_lost_or_asked_in_vain_where_a_batch_ends(paths, count):
    full, rest = divmod(count, 8)
    sizes = [8] * full + [rest] * (rest > 0)
    encoder = MeanColor()
    found = encode(encoder, paths[:count])
    assert encoder.sizes == sizes and (found.kept, found.encoded) == (tuple(paths[:count]), count)
    encoder = MeanColor()
    rows = encoder.encode_queries(paths[:count], ["x"] * count, batch_size=8)
    assert encoder.sizes == sizes and rows.shape == found.vectors.shape == (count, 3)
    expected = np.array([np.asarray(Image.open(path), np.float32)[0, 0] for path in paths[:count]]).reshape(count, 3)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(found.vectors * np.linalg.norm(expected, axis=1, keepdims=True), expected, rtol=1e-5)


def test_a_bad_picture_is_skipped_by_name_and_shifts_nothing(paths):
    paths[3].write_bytes(b"")
    paths[8].write_text("<html>")
    found = encode(MeanColor(), paths)
    good = [path for number, path in enumerate(paths) if number not in (3, 8)]
    assert found.kept == tuple(good) and [path for path, _ in found.skipped] == [paths[3], paths[8]]
    assert np.allclose(found.vectors, encode(MeanColor(), good).vectors, atol=1e-6)


def test_only_bad_pictures_give_no_rows(paths):
    paths[0].write_bytes(b"")
    found = encode(MeanColor(), paths[:1])
    assert found.vectors.shape == (0, 3) and found.vectors.dtype == np.float32
    assert (found.kept, len(found.skipped), found.encoded) == ((), 1, 0)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(paths, size):
    with pytest.raises(RagError, match=f"batch_size is {size}"):
        encode(MeanColor(), paths, batch_size=size)
    with pytest.raises(RagError, match=f"batch_size is {size}"):
        MeanColor().encode_queries([None] * 3, ["a", "b", "c"], batch_size=size)


def test_one_picture_or_text_is_not_taken_for_a_list(paths):
    for one in (str(paths[0]), paths[0], Image.open(paths[0])):
        with pytest.raises(RagError, match="give a list"):
            MeanColor().encode_images(one)
        with pytest.raises(RagError, match="give a list"):
            MeanColor().encode_queries(one, ["a"])
    with pytest.raises(RagError, match="give a list"):
        MeanColor().encode_queries([None] * 3, "abc")


def test_queries_need_as_many_pictures_as_texts(paths):
    with pytest.raises(RagError, match="There are 2 pictures and 3 texts"):
        MeanColor().encode_queries(paths[:2], ["a", "b", "c"])


@pytest.mark.parametrize("pictured", [True, False], ids=["composed", "words"])
def test_queries_that_do_not_fit_are_halved_too(paths, pictured):
    images, texts = paths if pictured else [None] * 25, [f"a{'b' * number}" for number in range(25)]
    encoder = MeanColor(fits=3, fault=torch.OutOfMemoryError("CUDA out of memory"))
    rows = encoder.encode_queries(images, texts, batch_size=16)
    assert encoder.sizes == [16, 8, 4, *[2] * 8, *[2] * 4, 1]
    np.testing.assert_array_equal(rows, MeanColor().encode_queries(images, texts))
    with pytest.raises(RagError, match="does not fit into memory even one at a time"):
        MeanColor(fits=0, fault=MemoryError()).encode_queries(images, texts)


def test_the_bar_ends_full_whatever_was_skipped_or_halved(paths, capsys):
    paths[1].write_bytes(b"")
    MeanColor(fits=3, fault=MemoryError()).encode_images(paths)
    assert "25/25" in capsys.readouterr().err.split("\r")[-1]


def test_without_progress_nothing_is_written(paths, capsys):
    MeanColor().encode_images(paths, progress=False)
    assert capsys.readouterr() == ("", "")
