"""CIRCO from a tiny folder: mAP with several ground truths, worked out by hand.

Query 0 is at 21 degrees: 102 (20), 103 (30), 101 (10), 104 (40), 100 (0, the reference), 105, 106, ... Its ground
truths 103, 102 and 106 are at ranks 2, 1 and 7: AP@5 = (1 + 1) / 3, AP@10 = (1 + 1 + 3/7) / 3.
Query 1 is at 109: 111 (110, the reference), 110 (100): AP = 1/2, and 1 without the reference.
"""

import json

import pytest

from rag_lib.errors import RagError
from rag_lib.evaluation.cir import cir_table, evaluate_cir


def evaluate(folder, encoder, **options):
    return evaluate_cir("circo", folder, encoder, progress=False, **options)


def test_map_counts_every_ground_truth(circo, encoder):
    row = evaluate(circo, encoder)["rows"]["composed"]
    assert row["mAP@5"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2, abs=0.01)
    at_10 = pytest.approx(100 * ((2 + 3 / 7) / 3 + 1 / 2) / 2, abs=0.01)
    assert [row[f"mAP@{k}"] for k in (10, 25, 50)] == [at_10] * 3


def test_recall_counts_the_single_target(circo, encoder, write):
    row = evaluate(circo, encoder)["rows"]["composed"]
    assert [row[f"Recall@{k}"] for k in (5, 10, 25, 50)] == [100] * 4
    file = circo / "annotations/val.json"
    queries = json.loads(file.read_text())
    queries[0]["target_img_id"] = 106  # rank 7
    write(file, queries)
    row = evaluate(circo, encoder)["rows"]["composed"]
    assert [row[f"Recall@{k}"] for k in (5, 10, 25, 50)] == [50, 100, 100, 100]


def test_leaving_the_reference_out_is_shown_beside(circo, encoder):
    report = evaluate(circo, encoder)
    assert report["other_rows"]["composed"]["mAP@5"] == pytest.approx(100 * (2 / 3 + 1) / 2, abs=0.01)


def test_semantic_aspects_have_their_own_figures_and_may_be_absent(circo, encoder, write):
    report = evaluate(circo, encoder)
    row = report["rows"]["composed"]
    assert row["mAP@10 negation"] == pytest.approx(100 * (2 + 3 / 7) / 3, abs=0.01)
    assert row["mAP@10 addition"] == row["mAP@10"]
    assert "| by aspect | mAP@10 addition | mAP@10 negation |" in cir_table(report)
    file = circo / "annotations/val.json"
    write(file, [{k: v for k, v in q.items() if k != "semantic_aspects"} for q in json.loads(file.read_text())])
    assert not [name for name in evaluate(circo, encoder)["rows"]["composed"] if "addition" in name]


def test_the_shared_concept_is_a_row_of_its_own(circo, encoder):
    seen = []
    encoder.embed_queries = lambda prepared, texts, inner=encoder.embed_queries: (
        seen.extend(texts) or inner(prepared, texts)
    )
    rows = evaluate(circo, encoder)["rows"]
    assert "Find a picture that also thing number 0, but 21." in seen
    assert rows["composed, concept named"]["mAP@5"] == rows["composed"]["mAP@5"]


def test_the_test_split_writes_what_the_server_takes(circo, encoder, tmp_path):
    report = evaluate(circo, encoder, split="test", submission=tmp_path)
    assert report["submissions"] == ["circo-test-circle.json", "circo-test-circle-concept.json"]
    written = json.loads((tmp_path / report["submissions"][0]).read_text())
    assert written["0"] == [106, 107, 105, 108, 104, 109, 103, 110, 102, 111, 101, 100]
    assert list(written) == ["0", "1"] and len(set(written["1"])) == 12
    assert "34.3" in cir_table(report)


def test_a_single_target_that_is_no_ground_truth_is_refused(circo, encoder, write):
    file = circo / "annotations/val.json"
    queries = json.loads(file.read_text())
    queries[1]["gt_img_ids"] = [103]
    write(file, queries)
    with pytest.raises(RagError, match="Query 1 of annotations/val.json: gt_img_ids"):
        evaluate(circo, encoder)
