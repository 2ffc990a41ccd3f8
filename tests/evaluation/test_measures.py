"""Measures against numbers worked by hand, and TREC files that other tools read."""

import math

import ir_measures
import numpy as np
import pytest

from rag_lib.errors import RagError
from rag_lib.evaluation import measures
from rag_lib.evaluation.measures import MEASURES, per_query, rank, read_run, write_qrels, write_run

# Three queries over pictures a to f; the best first.
RUN = {
    "q1": {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5, "f": 0.4},
    "q2": {"f": 0.9, "e": 0.8, "d": 0.7, "c": 0.6, "b": 0.5, "a": 0.4},
    "q3": {"c": 0.9, "a": 0.8},
}
QRELS = {"q1": {"a": 1}, "q2": {"e": 1, "a": 1}, "q3": {"f": 1}}


def test_measures_by_hand():
    found = dict(zip(MEASURES, per_query(RUN, QRELS).T.tolist(), strict=True))
    assert found["Recall@1"] == [1, 0, 0]
    assert found["Recall@5"] == [1, 1, 0]  # q2 finds one of its two answers: found, as the CIR papers count
    assert found["Recall@10"] == [1, 1, 0]
    assert found["MRR"] == pytest.approx([1, 1 / 2, 0])
    assert found["mAP"] == pytest.approx([1, (1 / 2 + 2 / 6) / 2, 0])
    ideal = 1 / math.log2(2) + 1 / math.log2(3)
    assert found["nDCG@10"] == pytest.approx([1, (1 / math.log2(3) + 1 / math.log2(7)) / ideal, 0])


def test_a_query_without_hits_scores_nothing():
    values = per_query({"q2": RUN["q2"], "q1": {}, "q3": {}}, QRELS)
    assert values[0].tolist() == values[2].tolist() == [0] * 6
    assert values[1, 3] == 0.5


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ({"q2": RUN["q2"]}, "lacks 2 of 3 queries"),
        ({}, "lacks 3 of 3 queries"),
        (RUN | {"q4": RUN["q1"]}, "has other queries beside"),
    ],
)
def test_a_run_of_other_queries_is_refused(run, found):
    with pytest.raises(RagError, match=f"The run {found}: it was cut off, or is of other queries. Make it anew."):
        per_query(run, QRELS)


def test_ranking_by_hand_and_without_the_own_picture():
    gallery = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    whole = list(rank(queries, gallery, ["z", "y", "x"]))
    assert [list(hits) for hits in whole] == [["z", "x", "y"], ["y", "x", "z"]]
    assert list(whole[0].values()) == pytest.approx([1, 0.6, 0])
    assert [list(hits) for hits in rank(queries, gallery, ["z", "y", "x"], without=["z", None])] == [
        ["x", "y"],
        ["y", "x", "z"],
    ]


def test_equal_scores_are_ordered_by_id_whatever_the_order_of_the_gallery():
    vectors = np.ones((4, 1), np.float32)
    for ids in (["d", "b", "a", "c"], ["a", "b", "c", "d"]):
        (hits,) = rank(vectors[:1], vectors, ids)
        assert list(hits) == ["a", "b", "c", "d"]
        assert sorted(hits.values(), reverse=True) == list(hits.values()) and len(set(hits.values())) == 4


@pytest.mark.parametrize("depth", [7, 29, 30, 50])
def test_the_best_are_those_of_a_full_sort_however_deep(depth):
    rng = np.random.default_rng(0)
    queries, gallery = rng.integers(0, 3, (40, 3)).astype(np.float32), rng.integers(0, 3, (30, 3)).astype(np.float32)
    ids = [f"p{n:02}" for n in rng.permutation(30)]  # full of ties
    by_name = np.argsort(ids)
    order = np.argsort(-(queries @ gallery.T)[:, by_name], axis=1, kind="stable")[:, :depth]
    assert [list(hits) for hits in rank(queries, gallery, ids, depth=depth)] == np.array(ids)[by_name][order].tolist()


def test_blocks_of_queries_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    queries, gallery = rng.normal(size=(23, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    ids, own = [f"p{n:02}" for n in range(40)], [f"p{n:02}" if n % 2 else None for n in range(23)]
    whole = list(rank(queries, gallery, ids, without=own))
    monkeypatch.setattr(measures, "BLOCK", 100)  # two queries at a time
    for hits, other, name in zip(rank(queries, gallery, ids, without=own), whole, own, strict=True):
        assert list(hits) == list(other) and len(hits) == 40 - bool(name) and name not in hits
        assert hits == pytest.approx(other, abs=1e-5)


def test_nothing_is_found_in_an_empty_gallery():
    assert list(rank(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32), [])) == [{}, {}]


def test_a_run_is_a_hundred_deep():
    vectors = np.random.default_rng(0).normal(size=(150, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (hits,) = rank(vectors[:1], vectors, [f"{i:03d}" for i in range(150)])
    assert len(hits) == 100 and next(iter(hits)) == "000"


def test_written_runs_give_other_tools_the_same_figures(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.integers(0, 2, (60, 3)).astype(np.float32)  # many ties
    ids = [f"p.{i}" for i in rng.permutation(60)]
    run = dict(zip(("q1", "q2", "q3"), rank(rng.integers(0, 2, (3, 3)).astype(np.float32), vectors, ids), strict=True))
    qrels = {query_id: {ids[i]: 1 for i in rng.choice(60, 3, replace=False)} for query_id in run}
    write_run(tmp_path / "a.run", run, "a model")
    write_qrels(tmp_path / "a.qrels", qrels)
    found = ir_measures.calc_aggregate(
        MEASURES.values(),
        ir_measures.read_trec_qrels(str(tmp_path / "a.qrels")),
        ir_measures.read_trec_run(str(tmp_path / "a.run")),
    )
    ours = per_query(run, qrels).mean(axis=0)
    assert [found[measure] for measure in MEASURES.values()] == pytest.approx(ours.tolist(), abs=1e-12)
    image_id, score = next(iter(run["q1"].items()))
    assert (tmp_path / "a.run").read_text().splitlines()[0] == f"q1 Q0 {image_id} 1 {score:.7f} a-model"
    assert read_run(tmp_path / "a.run") == run


@pytest.mark.parametrize("write", [write_run, write_qrels])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, write):
    """A stop half-way leaves the file of before, and nothing beside it."""
    path = tmp_path / "a"
    given = [RUN, "a model"] if write is write_run else [QRELS]
    write(path, *given)
    before = path.read_bytes()

    class Stopping(dict):
        def items(self):
            yield from list(super().items())[:1]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, Stopping(given[0]), *given[1:])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_run_file_that_is_missing_or_of_another_form_is_named(tmp_path):
    with pytest.raises(RagError, match="There is no run file 'x.run' in"):
        read_run(tmp_path / "x.run")
    (tmp_path / "x.run").write_text("q1 Q0 only three\n")
    with pytest.raises(RagError, match="'x.run' is no TREC run .*'query Q0 image rank score tag'"):
        read_run(tmp_path / "x.run")
