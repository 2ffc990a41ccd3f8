"""The drawn benchmark: every query has an answer in the gallery, and Recall@1 is right by hand."""

import numpy as np
import pytest

from rag_lib.errors import RagError
from rag_lib.evaluation.drawn import FAMILIES, make_benchmark
from rag_lib.evaluation.report import WAYS, recall_at_1, table
from rag_lib.training.pictures import is_held_out


@pytest.fixture(scope="module")
def benchmark():
    return make_benchmark("validation", n_gallery=40, per_family=6)


def test_every_query_has_its_answers_in_the_gallery(benchmark):
    assert len(benchmark.pictures) == len(benchmark.shown) == 40
    assert [query.family for query in benchmark.queries] == [family for family in FAMILIES for _ in range(6)]
    for query in benchmark.queries:
        assert benchmark.shown.count(query.wanted) == 1
        assert query.unseen == is_held_out(*query.wanted)


def test_the_same_split_is_drawn_again_and_another_is_another(benchmark):
    again = make_benchmark("validation", n_gallery=40, per_family=6)
    other = make_benchmark("test", n_gallery=40, per_family=6)
    assert [q.text for q in again.queries] == [q.text for q in benchmark.queries]
    assert all(np.array_equal(a, b) for a, b in zip(again.pictures, benchmark.pictures, strict=True))
    assert not np.array_equal(other.pictures[0], benchmark.pictures[0])


def test_an_unknown_split_is_named():
    with pytest.raises(RagError, match="Unknown split 'train'; expected one of validation, test"):
        make_benchmark("train")


class Oracle:
    """Reads the answer from the benchmark: composed queries are always right, halves always wrong."""

    name, fingerprint, dim = "oracle", "0", 3

    def __init__(self, benchmark):
        self.benchmark = benchmark

    def encode_images(self, paths, **_):
        self.vectors = np.eye(len(paths), dtype=np.float32)
        return self

    def encode_queries(self, images, texts):
        shown, rows = self.benchmark.shown, []
        for query, image, text in zip(self.benchmark.queries, images, texts, strict=True):
            both = image is not None and text is not None
            place = shown.index(query.wanted) if both else next(i for i, s in enumerate(shown) if s != query.wanted)
            rows.append(np.eye(len(shown), dtype=np.float32)[place])
        return np.stack(rows)


def test_recall_counts_right_answers(benchmark):
    rows = recall_at_1(Oracle(benchmark), benchmark)
    assert set(rows) == {f"{family}{part}" for family in FAMILIES for part in ("", ", seen", ", unseen")}
    assert all(row == {"composed": 1.0, "image only": 0.0, "text only": 0.0, "average": 0.0} for row in rows.values())
    assert table(rows).splitlines()[0] == "| Recall@1 | " + " | ".join(WAYS) + " |"
