"""The notebooks with a model of another family and a folder of pictures: the same cells, nothing changed."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from rag_lib.run.execution import execute
from rag_lib.run.parameters import plan

ROOT = Path(__file__).resolve().parent.parent
TINY = SimpleNamespace(**runpy.run_path(str(ROOT / "tests" / "encoders" / "tiny_models.py")))
CHOSEN = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("02_embed", "03_store", "04_search", "05_rerank")]


def printed(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return "".join(output.text for cell in cells for output in cell.outputs if output.get("name") == "stdout")


@pytest.mark.slow
def test_the_notebooks_run_with_a_clip_folder_on_a_folder_of_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "out").mkdir()
    TINY.pictures(tmp_path / "mine")
    TINY.clip(tmp_path / "clip")
    values = dict(
        catalog="mine", encoder="clip", query_image="mine/2.png", out=str(tmp_path / "out"), reranker="identity"
    )
    for notebook, parameters in plan(CHOSEN, edition=values, overrides={}).items():
        execute(notebook, tmp_path / "out" / notebook.name, parameters, cwd=ROOT)
    embed, store, search, rerank = (printed(tmp_path / "out" / notebook.name) for notebook in CHOSEN)
    assert "not a Visualized BGE model" in embed
    assert "16 dimensions, 5 rows, 0 files skipped" in store and "encoded 0, added 0, removed 0, rows 5" in store
    assert "5 pictures to search in" in search and "repairs: none" in rerank
    ranking = json.loads((tmp_path / "out" / "hero" / "result.json").read_text())["ranking"]
    assert [row["rank"] for row in ranking] == [1, 2, 3, 4, 5]
    assert {row["title"] for row in ranking} == set("01234") and ranking[0]["score"] >= ranking[4]["score"]
    assert all(f" {row['rank']}  {row['score']:.2f}  {row['title']}\n" in search for row in ranking)
