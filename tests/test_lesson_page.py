"""The page of an executed notebook: folded where Jupyter folds, with words for its pictures, readable on a phone."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from rag_lib.display import gallery
from rag_lib.run.lesson_page import write_lesson_page

TITLE = 'a <b>"red"</b> lamp'


@pytest.fixture
def page(tmp_path):
    data, metadata = gallery([Image.new("RGB", (40, 40), "red")], captions=[TITLE])._repr_mimebundle_()
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "bar: 100%"}
    outputs = [new_output("display_data", widget), new_output("display_data", data, metadata=metadata)]
    folded = new_code_cell("install = 1", metadata={"jupyter": {"source_hidden": True}})
    text = "[![Open in Colab](https://colab.example/badge.svg)](https://colab.example/) [02](02_embed.ipynb)"
    cells = [new_markdown_cell(text), folded, new_code_cell("show", outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_first.ipynb")
    path = write_lesson_page(tmp_path / "01_first.ipynb")
    assert path.name == "01_first.html"
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def test_what_is_folded_in_jupyter_is_folded(page):
    (folded,) = page.select("details")
    assert "install" in folded.text and "open" not in folded.attrs
    assert "show" in page.text and "show" not in folded.text


def test_a_picture_has_its_words(page):
    (picture,) = page.select("img")
    assert picture["alt"] == f"Pictures: {TITLE}." and not page.select("b")


def test_nothing_is_fetched_from_elsewhere_and_neighbors_are_pages(page):
    sources = [tag.get("src") or tag.get("href") for tag in page.select("script[src], img[src], link[href]")]
    assert all(source.startswith("data:") for source in sources)
    assert page.select('a[href="02_embed.html"]') and "100%" not in page.text
