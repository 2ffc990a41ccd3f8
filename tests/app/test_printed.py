"""Pages in a real browser: the cheat sheet on one page of paper, a notebook's on a phone."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from rag_lib.display import show
from rag_lib.run.lesson_page import write_lesson_page

SHEET = Path(__file__).resolve().parents[2] / "notebooks" / "cheatsheet.html"


def test_the_sheet_prints_on_one_page(browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(SHEET.as_uri())
        printed = page.pdf(prefer_css_page_size=True)
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    box = [float(number) for number in re.search(rb"/MediaBox\s*\[([^\]]*)\]", printed)[1].split()]
    assert box[2:] == pytest.approx([595, 842], abs=2)  # A4, points


def picture():
    data, metadata = show(Image.new("RGB", (900, 300), "red"))._repr_mimebundle_()
    return new_code_cell("show", outputs=[new_output("display_data", data, metadata=metadata)])


def table():
    row = "|" + "many words in a column|" * 20
    return new_markdown_cell(f"{row}\n{'|---' * 20}|\n{row}")


@pytest.mark.parametrize(("wide", "selector", "width"), [(picture, ".jp-RenderedImage", 640), (table, "table", None)])
def test_what_is_wide_is_scrolled_in_its_own_frame_and_fades_where_it_goes_on(browser, tmp_path, wide, selector, width):
    nbformat.write(new_notebook(cells=[wide()]), tmp_path / "01_first.ipynb")
    frame = f"document.querySelector('{selector}')"
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.goto(write_lesson_page(tmp_path / "01_first.ipynb").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.wait_for_function(f"getComputedStyle({frame}).maskImage.startsWith('linear-gradient')")
        page.evaluate(f"{frame}.scrollLeft = 9999")
        seen = page.evaluate(f"{frame}.scrollLeft + {frame}.clientWidth")
        assert seen == width if width else seen > 390
        page.wait_for_function(f"getComputedStyle({frame}).maskImage == 'none'")
