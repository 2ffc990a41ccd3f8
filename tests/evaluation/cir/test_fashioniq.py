"""FashionIQ from a tiny folder, in its three galleries."""

import json

import pytest

from rag_lib.errors import RagError
from rag_lib.evaluation.cir import cir_table, evaluate_cir
from rag_lib.evaluation.cir.fashioniq import join


def evaluate(folder, encoder, **options):
    return evaluate_cir("fashioniq", folder, encoder, progress=False, **options)


def test_recall_is_averaged_over_the_categories(fashioniq, encoder):
    row = evaluate(fashioniq, encoder)["rows"]["composed"]
    assert [row[f"{category} R@10"] for category in ("dress", "shirt", "toptee")] == [100, 0, 100]
    assert [row[f"{category} R@50"] for category in ("dress", "shirt", "toptee")] == [100, 100, 100]
    assert row["Recall@10"] == pytest.approx(200 / 3, abs=0.01) and row["Recall@50"] == 100
    assert row["Average"] == pytest.approx((200 / 3 + 100) / 2, abs=0.01)


def test_a_gallery_is_its_category_alone(fashioniq, encoder):
    report = evaluate(fashioniq, encoder)
    assert (report["queries"], report["pictures"], report["official"]) == (3, 61, [6016, 15_536])


def test_the_captions_gallery_holds_only_what_a_query_names(fashioniq, encoder):
    report = evaluate(fashioniq, encoder, gallery="captions")
    assert report["pictures"] == 6
    assert report["rows"]["composed"]["Recall@10"] == 100  # the shirt's target is now among two


def test_the_full_pool_is_one_gallery_and_counts_all_queries_alike(fashioniq, encoder):
    report = evaluate(fashioniq, encoder, gallery="all")
    assert report["pictures"] == 67  # 61 of val, 3 of train and 3 of test; D0 is in three train files and counts once
    assert list(report["rows"]["composed"]) == ["Recall@5", "Recall@10", "Recall@50"]
    # at 30 degrees lie D3, S3, T3 and T3x; at 20 and 10 (query at 12) D1, S1, T1, D2, ...: ranks 4 and 4
    assert report["rows"]["composed"]["Recall@5"] == pytest.approx(200 / 3, abs=0.01)
    assert "| VISTA base, published | 7.5 |" in cir_table(report)


def test_the_reference_is_ranked(fashioniq, encoder):
    report = evaluate(fashioniq, encoder, gallery="captions")
    assert report["excludes_reference"] is False
    assert "The same with the reference left out" in cir_table(report)


def test_two_captions_are_joined_by_and():
    assert join(["is shiny. ", "and has, sleeves?"]) == "is shiny and and has, sleeves"
    assert join(["", "fit and flare"]) == "fit and flare"


def test_a_pair_of_captions_has_two(fashioniq, encoder, write):
    file = fashioniq / "captions/cap.shirt.val.json"
    write(file, json.loads(file.read_text()) + [{"target": "S1", "candidate": "S2", "captions": ["is red"]}])
    with pytest.raises(RagError, match="entry 1 of captions/cap.shirt.val.json has .* expected two strings"):
        evaluate(fashioniq, encoder)


def test_the_test_split_has_no_public_targets(fashioniq, encoder):
    with pytest.raises(RagError, match="FashionIQ has no split 'test'. It has val"):
        evaluate(fashioniq, encoder, split="test")
