"""Wrong folders, damaged files and missing pictures: one sentence each, which names what was expected."""

import json

import numpy as np
import pytest
from PIL import Image

from rag_lib.encoders import load_encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.errors import RagError
from rag_lib.evaluation.__main__ import main
from rag_lib.evaluation.cir import BENCHMARKS, cir_table, evaluate_cir


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_wrong_folder_is_told_the_layout(name, tmp_path, encoder):
    with pytest.raises(RagError, match=r"does not hold .* in its official layout: there is no \w+/.*\.json in it"):
        evaluate_cir(name, tmp_path, encoder)


def test_a_folder_that_is_not_there_is_named(tmp_path, encoder):
    with pytest.raises(RagError, match="The folder 'nowhere' was not found: give the one that holds CIRCO"):
        evaluate_cir("circo", tmp_path / "nowhere", encoder)


def test_an_unknown_benchmark_gets_a_suggestion(tmp_path, encoder):
    with pytest.raises(RagError, match="Unknown benchmark 'fashion-iq'. Did you mean 'fashioniq'?"):
        evaluate_cir("fashion-iq", tmp_path, encoder)


def test_an_unknown_gallery_is_refused(circo, encoder):
    with pytest.raises(RagError, match="CIRCO has no gallery 'all'. It has split"):
        evaluate_cir("circo", circo, encoder, gallery="all")


@pytest.mark.parametrize(
    "content, message",
    [
        ("[{", "cap.rc2.val.json cannot be read as JSON"),
        ("{}", "cap.rc2.val.json is not a list at its top level"),
        ("[]", "cap.rc2.val.json holds no entries"),
        ('[{"pairid": 1}]', "Entry 0 of captions/cap.rc2.val.json: 'reference' is missing, expected a string"),
        ('["x"]', "Entry 0 of captions/cap.rc2.val.json: 'pairid' is missing, expected a whole number"),
    ],
)
def test_a_malformed_annotation_file_is_named(cirr, encoder, content, message):
    (cirr / "captions/cap.rc2.val.json").write_text(content)
    with pytest.raises(RagError, match=message):
        evaluate_cir("cirr", cirr, encoder)


@pytest.mark.parametrize("content", [{}, {"dev-0": 3}])
def test_a_malformed_list_of_pictures_is_named(cirr, encoder, write, content):
    write(cirr / "image_splits/split.rc2.val.json", content)
    with pytest.raises(RagError, match="split.rc2.val.json is no object of ids and relative paths"):
        evaluate_cir("cirr", cirr, encoder)


def test_a_missing_annotation_file_is_named(fashioniq, encoder):
    (fashioniq / "image_splits/split.toptee.val.json").unlink()
    with pytest.raises(RagError, match="image_splits/split.toptee.val.json is missing"):
        evaluate_cir("fashioniq", fashioniq, encoder)


def test_captions_and_pictures_of_two_versions_are_noticed(cirr, encoder, write):
    file = cirr / "captions/cap.rc2.val.json"
    queries = json.loads(file.read_text())
    queries[1]["target_hard"] = "dev-77"
    write(file, queries)
    with pytest.raises(RagError, match="Query 2 of CIRR names the picture 'dev-77'"):
        evaluate_cir("cirr", cirr, encoder)


@pytest.mark.parametrize(
    "name, pictures", [("cirr", "img_raw"), ("fashioniq", "images"), ("circo", "COCO2017_unlabeled/unlabeled2017")]
)
def test_annotations_without_pictures_say_where_they_belong(name, pictures, encoder, request):
    folder = request.getfixturevalue(name)
    (folder / pictures).rename(folder / "elsewhere")
    with pytest.raises(RagError, match="annotations are here but its pictures are not: put .* into"):
        evaluate_cir(name, folder, encoder)


def test_a_missing_picture_is_named_before_anything_is_encoded(cirr, encoder):
    (cirr / "img_raw/dev/dev-9.png").unlink()
    encoder.embed_images = None  # nothing may be encoded
    with pytest.raises(RagError) as caught:
        evaluate_cir("cirr", cirr, encoder)
    message = str(caught.value)
    assert "1 of 10 pictures of CIRR are missing or unreadable (first: dev-9.png: there is no such file)" in message
    assert "0 queries lack their reference and 1 a target" in message and str(cirr) not in message


def test_an_unreadable_picture_is_named(cirr, encoder):
    (cirr / "img_raw/dev/dev-0.png").write_bytes(b"no picture")
    with pytest.raises(RagError, match=r"first: dev-0.png: it is not a picture.*1 queries lack their reference"):
        evaluate_cir("cirr", cirr, encoder, progress=False)


def test_with_missing_pictures_allowed_their_queries_count_as_missed(cirr, encoder):
    (cirr / "img_raw/dev/dev-0.png").unlink()  # the first query's reference
    (cirr / "img_raw/dev/dev-6.png").write_bytes(b"no picture")  # nobody's
    report = evaluate_cir("cirr", cirr, encoder, allow_missing=True, progress=False)
    assert report["missing"] == {"pictures": 2, "references": 1, "targets": 0, "files": ["dev-0.png", "dev-6.png"]}
    assert [row["Recall@50"] for row in report["rows"].values()] == [50] * 4
    assert report["rows"]["composed"]["Recall_subset@3"] == 50
    assert "2 pictures are missing or unreadable (dev-0.png, dev-6.png, ...)" in cir_table(report)


def test_a_submission_takes_no_missing_pictures(circo, encoder, tmp_path):
    (circo / "COCO2017_unlabeled/unlabeled2017/000000000103.jpg").unlink()
    with pytest.raises(RagError, match="1 of 12 pictures of CIRCO are missing"):
        evaluate_cir("circo", circo, encoder, split="test", submission=tmp_path, allow_missing=True)


def test_a_cache_is_handed_to_the_encoder(cirr, encoder, tmp_path):
    with EmbeddingCache(tmp_path / "vectors.sqlite3", encoder.dim) as cache:
        first = evaluate_cir("cirr", cirr, encoder, cache=cache, progress=False)
        encoder.embed_images = None  # the second time nothing is encoded
        assert evaluate_cir("cirr", cirr, encoder, cache=cache, progress=False) == first


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_pocket_encoder_runs_and_its_report_is_plain_json(name, request):
    folder = request.getfixturevalue(name)
    for number, path in enumerate(sorted(folder.rglob("*.jpg")) + sorted(folder.rglob("*.png"))):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    report = evaluate_cir(name, folder, load_encoder("pocket"), progress=False)
    assert json.loads(json.dumps(report)) == report
    assert all(0 <= value <= 100 for row in report["rows"].values() for value in row.values())
    assert "encoder pocket" in cir_table(report)


def test_the_command_measures_a_folder_and_writes_the_report(cirr, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    out = tmp_path / "cirr.json"
    assert main(["--benchmark", "cirr", "--data", str(cirr), "--out", str(out)]) == 0
    assert "CIRR" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert (report["queries"], report["pictures"], report["encoder"]) == (2, 10, "pocket")
    assert main(["--benchmark", "cirr", "--data", str(tmp_path / "nowhere")]) == 1
