"""What a notebook found, read from the outputs of its tagged cells; and pages with pictures, made small enough."""

import io
from base64 import b64encode

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from rag_lib.run.pictures import address, fit
from rag_lib.run.results import Result, figures, leading_number, read_results

TABLE = """\
| queries    | own picture |   n |                  gain |     p |
| ---------- | ----------: | --: | --------------------: | ----: |
| edit: both |        kept |  48 | +0.21 (+0.12 to 0.34) | <.001 |
| edit: both |    excluded |  48 | -0.04 (-0.14 to 0.04) | 0.500 |"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("First: Leopard Case.\n", {"First": "Leopard Case."}),
        ("It is in place 27, or 3 of 9.", {"It is in place": "27, or 3 of 9."}),
        ("trained   seen    102 of 132 = 0.77", {"trained seen": "102 of 132 = 0.77"}),
        ("sure:  0.5 and more", {"sure": "0.5 and more"}),
        ("pocket takes [1] Case: place 1", {"pocket takes": "[1] Case: place 1"}),
        ("900 pictures, 890 with a price", {"… pictures, … with a price": "900, 890"}),
        ("place 1\nplace 2", {"place": "1", "place (2)": "2"}),
        ("visualized-bge-m3 takes v1.5", {}),
        ("a line of words\n\n", {}),
        ("| a | b |\n|---|---|\n| c | yes |\n| 4 | 0.5 |", {"4, b": "0.5"}),
        (
            TABLE,
            {
                "edit: both, kept, n": "48",
                "edit: both, kept, gain": "+0.21 (+0.12 to 0.34)",
                "edit: both, kept, p": "<.001",
                "edit: both, excluded, n": "48",
                "edit: both, excluded, gain": "-0.04 (-0.14 to 0.04)",
                "edit: both, excluded, p": "0.500",
            },
        ),
    ],
)
def test_lines_and_tables_become_figures_with_names(text, found):
    assert figures([Result("text", text)]) == found


@pytest.mark.parametrize(
    ("value", "number"),
    [("27 of 30", 27), ("+0.21 (+0.12 to 0.34)", 0.21), ("<.001", None), ("[1] Case", 1), ("1,200", 1200),
     ("yes", None), ("-0.04", -0.04), ("96%", 96)],
)  # fmt: skip
def test_the_number_that_a_value_begins_with(value, number):
    assert leading_number(value) == number


def test_only_tagged_cells_are_results_and_in_their_order():
    picture = {"image/jpeg": "aGk=\n", "text/plain": "<Picture>"}
    outputs = [
        new_output("stream", name="stdout", text="First: a lamp\n"),
        new_output("stream", name="stderr", text="a warning"),
        new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "64%|###"}),
        new_output("display_data", picture, metadata={"image/jpeg": {"alt": "A lamp"}}),
        new_output("display_data", {"text/markdown": TABLE, "text/plain": "<Markdown>"}),
        new_output("display_data", {"text/markdown": "**words**", "text/plain": "<Markdown>"}),
        new_output("execute_result", {"text/plain": "0.5"}),
    ]
    nb = new_notebook(cells=[new_code_cell("1", outputs=outputs), new_code_cell("2", outputs=outputs)])
    nb.cells.append(new_markdown_cell("3", metadata={"tags": ["result"]}))
    assert read_results(nb) == []
    nb.cells[1].metadata["tags"] = ["nbval-ignore-output", "result"]
    assert read_results(nb) == [
        Result("text", "First: a lamp"),
        Result("picture", "aGk=", "image/jpeg", "A lamp"),
        Result("table", TABLE),
        Result("text", "**words**"),
        Result("text", "0.5"),
    ]


def test_pictures_shrink_only_as_far_as_the_page_has_to():
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "PNG")
    words = '<p>"data:image/jpeg;base64,abcde"</p>'  # not a picture
    page = f'{words}<img src="data:image/png;base64,{b64encode(data.getvalue()).decode()}" alt="noise"> &amp; y'
    assert fit(page, len(page)) == page
    for limit in (900_000, 200_000):
        small = fit(page, limit)
        assert len(small) <= limit and small.startswith(f'{words}<img src="data:image/jpeg;base64,')
        assert small.endswith('" alt="noise"> &amp; y')
    assert len(fit(page, 900_000)) > 200_000  # no smaller than needed


def test_a_picture_that_is_small_already_stays():
    dot = address(Image.new("RGB", (4, 4), "navy"), quality=30)
    page = f'<img src="{dot}">' + "x" * 100
    assert fit(page, 50) == page
