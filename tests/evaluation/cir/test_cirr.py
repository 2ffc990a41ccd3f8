"""CIRR from a tiny folder: every figure is worked out in the fixture's docstring."""

import json

import pytest

from rag_lib.errors import RagError
from rag_lib.evaluation.cir import cir_table, evaluate_cir


def evaluate(folder, encoder, **options):
    return evaluate_cir("cirr", folder, encoder, progress=False, **options)


def test_the_reference_is_left_out_of_the_ranking(cirr, encoder):
    report = evaluate(cirr, encoder)
    row = report["rows"]["composed"]
    assert [row[f"Recall@{k}"] for k in (1, 5, 10, 50)] == [50, 100, 100, 100]
    kept = report["other_rows"]["composed"]
    assert [kept[f"Recall@{k}"] for k in (1, 5, 10, 50)] == [0, 100, 100, 100]


def test_a_target_at_the_last_depth_is_found_behind_the_reference(cirr, encoder, monkeypatch):
    """Of the second query 7, 6, 8, the reference and the target are the first: without the reference it is fourth."""
    monkeypatch.setattr("rag_lib.evaluation.cir.evaluate.DEPTH", 4)
    report = evaluate(cirr, encoder)
    assert report["rows"]["composed"]["Recall@5"] == 100
    assert report["other_rows"]["composed"]["Recall@5"] == 50  # with the reference it is fifth: deeper than four


def test_recall_subset_ranks_the_five_other_members(cirr, encoder):
    row = evaluate(cirr, encoder)["rows"]["composed"]
    assert [row[f"Recall_subset@{k}"] for k in (1, 2, 3)] == [50, 50, 100]
    assert row["Average"] == (row["Recall@5"] + row["Recall_subset@1"]) / 2 == 75


def test_each_half_is_asked_beside_the_composed_query(cirr, encoder):
    rows = evaluate(cirr, encoder)["rows"]
    assert list(rows) == ["composed", "image only", "text only", "average"]
    # the picture alone, at 0 and 50: targets 10 (rank 1) and 90 (rank 7 or 8 of those around 50)
    assert (rows["image only"]["Recall@1"], rows["image only"]["Recall@5"]) == (50, 50)
    # the text alone, at 181 and 248, begins with 90 and with 0: both targets come ninth
    assert (rows["text only"]["Recall@5"], rows["text only"]["Recall@10"]) == (0, 100)


def test_the_gallery_of_all_splits_has_every_picture(cirr, encoder):
    report = evaluate(cirr, encoder, gallery="all")
    assert (report["pictures"], report["official"]) == (22, [4181, 21_551])
    # test1-0 and test1-1 lie on dev-0 and dev-1: of equal scores the lower id comes first
    assert report["rows"]["composed"]["Recall@1"] == 0
    assert report["rows"]["composed"]["Recall@5"] == 50


def test_the_layout_of_later_papers_is_read_too(cirr, encoder, tmp_path):
    expected = evaluate(cirr, encoder)["rows"]
    other = tmp_path / "later"
    other.mkdir()
    for name in ("captions", "image_splits"):
        (other / "cirr").mkdir(exist_ok=True)
        (cirr / name).rename(other / "cirr" / name)
    (cirr / "img_raw/dev").rename(other / "dev")
    assert evaluate(other, encoder)["rows"] == expected


def test_test1_writes_the_two_files_of_the_server(cirr, encoder, tmp_path):
    report = evaluate(cirr, encoder, split="test1", submission=tmp_path / "out")
    assert report["submissions"] == ["cirr-test1-circle-recall.json", "cirr-test1-circle-recall_subset.json"]
    full, subset = (json.loads((tmp_path / "out" / name).read_text()) for name in report["submissions"])
    # the query is at 42, its reference at 30
    order = [f"test1-{n}" for n in (4, 5, 6, 2, 7, 1, 8, 0, 9)]
    assert full == {"version": "rc2", "metric": "recall", "7": order}
    assert subset == {"version": "rc2", "metric": "recall_subset", "7": ["test1-4", "test1-5", "test1-8"]}
    assert "cirr.cecs.anu.edu.au" in cir_table(report)


def test_test1_without_a_place_for_its_files_is_refused(cirr, encoder):
    with pytest.raises(RagError, match="split test1 are not public"):
        evaluate(cirr, encoder, split="test1")


def test_an_empty_caption_is_a_picture_alone(cirr, encoder, write):
    file = cirr / "captions/cap.rc2.val.json"
    queries = json.loads(file.read_text())
    queries[0]["caption"] = " "
    write(file, queries)
    rows = evaluate(cirr, encoder)["rows"]
    assert rows["composed"]["Recall@1"] == rows["average"]["Recall@1"] == 50
    assert rows["text only"]["Recall@50"] == 50  # the query that has no text is missed


def test_the_table_shows_published_rows_and_says_what_is_not_comparable(cirr, encoder):
    text = cir_table(evaluate(cirr, encoder))
    assert "| composed | 50.0 | 100.0 | 100.0 | 100.0 | 50.0 | 50.0 | 100.0 | 75.0 |" in text
    assert "| BGE-VL-base, published (test1) | 36.1 |  |  |  | 71.6 |  |  |  |" in text
    assert "VISTA base: Recall@5 22.51" in text and 'measure with gallery="all"' in text
    assert "| VISTA base" not in text
    assert "4,181 queries and 2,297 pictures" in text and "not comparable" in text


def test_in_the_full_pool_vista_stands_beside_both_treatments_of_the_reference(cirr, encoder):
    text = cir_table(evaluate(cirr, encoder, gallery="all"))
    assert text.count("| VISTA base, published |  | 22.5 |") == 2 and "| BGE-VL-base" not in text
