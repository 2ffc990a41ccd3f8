"""Captions: ranks, chance, titles and categories, on matrices and folders made by hand."""

from math import comb

import numpy as np
import pytest
from PIL import Image

from rag_lib.encoders.base import Encoder
from rag_lib.errors import RagError
from rag_lib.evaluation.__main__ import main
from rag_lib.evaluation.captions import captions_table, chance, draw_failures, evaluate_captions, rank_of_first

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class ColorEncoder(Encoder):
    """Knows the colors of pictures and their names."""

    name, fingerprint, dim, composes = "colors", "c1", 3, "sum"

    def prepare(self, source):
        from rag_lib.images import open_image

        return np.asarray(open_image(source)).reshape(-1, 3).mean(axis=0).astype(np.float32)

    def embed_images(self, prepared):
        return np.stack([pixel / np.linalg.norm(pixel) for pixel in prepared]).astype(np.float32)

    def embed_queries(self, prepared, texts):
        rows = [next((COLORS[word] for word in text.split() if word in COLORS), (1, 1, 1)) for text in texts]
        return self.embed_images([np.array(row, np.float32) for row in rows])


@pytest.fixture
def folder(tmp_path):
    for kind, shades in (
        ("warm", {"a red thing": (250, 10, 0)}),
        ("cold", {"green": (0, 250, 5), "blue": (5, 0, 250)}),
    ):
        (tmp_path / kind).mkdir()
        for title, color in shades.items():
            for number in range(2):
                Image.new("RGB", (8, 8 + number), color).save(tmp_path / kind / f"{title}{'  ' * number}.png")
    return tmp_path


def test_the_rank_is_that_of_the_best_right_answer_and_ties_count_against_it():
    scores = np.array([[0.9, 0.5, 0.1], [0.5, 0.5, 0.5], [0.1, 0.2, 0.3]])
    right = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 1]], bool)
    assert rank_of_first(scores, right).tolist() == [2, 3, 1]


def test_chance_is_that_of_a_random_order():
    right = np.zeros((2, 7), bool)
    right[0, 0] = right[1, :3] = True
    for k in (1, 5):
        expected = np.mean([1 - comb(7 - r, k) / comb(7, k) for r in (1, 3)])
        assert chance(right, k) == pytest.approx(expected)
    assert chance(right, 10) == 1


def test_pictures_of_the_same_title_are_both_right(folder):
    report = evaluate_captions(folder, ColorEncoder(), progress=False)
    assert (report["pictures"], report["titles"]) == (6, 3)
    for way in ("title -> picture", "picture -> title"):
        assert report[way]["Recall@1"][0] == 1 and report[way]["median rank"] == 1
    assert report["category"] == {"pictures": 6, "categories": 2, "share": [1.0, *report["category"]["share"][1:]]}
    assert "6 pictures with 3 titles" in captions_table(report) and report["failures"] == []


def test_a_text_beside_a_picture_is_its_title_and_the_worst_is_shown(folder):
    (folder / "cold" / "blue.txt").write_text("a red sky\nThe second line is not read.\n", encoding="utf-8")
    report = evaluate_captions(folder, ColorEncoder(), progress=False)
    worst = report["failures"][0]
    assert worst["title"] == "a red sky" and worst["picture"] == "cold/blue.png" and worst["first"].startswith("warm/")
    assert worst["rank"] >= 3 and "a red sky" in captions_table(report)
    page = np.asarray(draw_failures(report, folder).convert("L"))
    assert page.shape == (56 + 2 * 160, 160 * len(report["failures"]))
    assert (page[:56] < 128).any()  # its title in words


def test_the_command_leaves_the_failures_as_a_picture(folder, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setattr("rag_lib.encoders.load_encoder", lambda *_, **__: ColorEncoder())
    (folder / "cold" / "blue.txt").write_text("a red sky")
    out = tmp_path_factory.mktemp("out") / "worst.png"
    assert main(["--benchmark", "captions", "--data", str(folder), "--failures", str(out)]) == 0
    assert "a red sky" in capsys.readouterr().out
    with Image.open(out) as page:
        page.load()


def test_one_title_measures_nothing(tmp_path):
    for number, color in enumerate(COLORS.values()):
        (tmp_path / str(number)).mkdir()
        Image.new("RGB", (8, 8), color).save(tmp_path / str(number) / "same.png")
    with pytest.raises(RagError, match="have one title"):
        evaluate_captions(tmp_path, ColorEncoder(), progress=False)


def test_the_command_says_what_it_needs(capsys):
    assert main(["--benchmark", "captions"]) == 1
    assert "needs --data" in capsys.readouterr().err
    assert main(["--benchmark", "captions", "--data", "x", "--split", "val"]) == 1
    assert "--split does not go with" in capsys.readouterr().err
