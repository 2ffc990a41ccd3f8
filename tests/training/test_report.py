"""The command from nothing to its report, at a few steps."""

import contextlib
import io
import json
from types import SimpleNamespace

import pytest
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.training import __main__ as command
from rag_lib.training.recipe import Recipe

WORDS = "--out run --n-products 60 --n-query-pictures 20 --tower-steps 2 --text-steps 2 --batch 4 --twins 2".split()


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_benchmark):
    """What the command left (`.folder`), printed and measured (`.splits`); `.again(words)` runs it once more."""
    home, splits, printed = tmp_path_factory.mktemp("trained"), [], io.StringIO()

    def make(split):
        splits.append(split)
        return small_benchmark(split)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_HOME", str(home / "elsewhere"))
        patch.chdir(home)  # --out begins at the current folder
        patch.setattr("rag_lib.evaluation.drawn.benchmark.make_benchmark", make)
        with contextlib.redirect_stdout(printed):
            command.main(WORDS)
        yield SimpleNamespace(
            folder=home / "run",
            splits=splits,
            printed=printed.getvalue(),
            again=lambda *words: command.main([*WORDS, *words]),
        )


def test_the_report_has_the_recipe_the_minutes_the_log_and_the_figures(trained):
    folder = trained.folder
    text = (folder / "report.md").read_text(encoding="utf-8")
    settings = json.loads((folder / "weights" / "config.json").read_text(encoding="utf-8"))
    assert settings["sha256"] in text and "| n_products       |    60 |" in text
    for part in ("pictures", "patch tokens", "tower", "text", "standard: Recall@1", "full: Recall@1", "all composed"):
        assert f"| {part}" in text
    assert trained.printed.startswith("## Figures of the validation split") and text.endswith(trained.printed)
    assert trained.splits == ["validation"]
    log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in log["tower"]] == [row["step"] for row in log["text"]] == [1, 2]
    assert f"{log['text'][-1]['loss']}" in text
    assert Image.open(folder / "curves.png").width > 800


def test_run_again_it_only_writes_the_report(trained, monkeypatch):
    folder = trained.folder
    before = (folder / "report.md").read_bytes()
    (folder / "report.md").unlink()
    monkeypatch.setattr(command, "train", None)
    trained.again()
    assert (folder / "report.md").read_bytes() == before


def test_weights_that_were_lost_come_back_from_the_checkpoints(trained):
    folder = trained.folder
    before = (folder / "weights" / "model.safetensors").read_bytes()
    (folder / "weights" / "config.json").unlink()
    recipe = Recipe(n_products=60, n_query_pictures=20, tower_steps=2, text_steps=2, batch=4, twins=2)
    command.train(folder, recipe)
    assert (folder / "weights" / "model.safetensors").read_bytes() == before


def test_weights_of_another_recipe_are_refused(trained):
    with pytest.raises(RagError, match="run/weights are of another recipe: give another --out"):
        trained.again("--no-augment")
