"""Titles, reasons and evidence come from sellers and models: where they are shown they are letters and nothing more."""

from dataclasses import replace

import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image, ImageChops

from rag_lib.display import best, gallery, show_results
from rag_lib.records import Evidence, Hit, Item, Query, Ranking
from rag_lib.typeset import font_for, wrap

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[best](javascript:alert(1))",
    r"$\alpha$ \frac{1}{2}",
    "![x](http://127.0.0.1/x.png) **first** `x` | a |",
    "&lt;b&gt; %s {0} \\n",
]


@pytest.fixture
def hit():
    return Hit(1, 0.5, Item("a", Image.new("RGB", (40, 40), (0, 90, 200))))


def ranking(hit, text):
    return Ranking((hit,), text, {"a": Evidence((text,), (text,), (text,))})


@pytest.mark.parametrize("text", HOSTILE)
def test_every_letter_of_a_hostile_text_stands_in_the_picture(text):
    assert "".join(wrap(text, font_for(text, 15), 4000, 9)) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_card_with_hostile_texts_is_a_picture_and_nothing_else(hit, text):
    titled = replace(hit, item=replace(hit.item, title=text))
    cards = best(ranking(titled, text), Query(text=text)), gallery([titled]), show_results(Query(text=text), [titled])
    for card in cards:
        data, metadata = InteractiveShell.instance().display_formatter.format(card)
        assert data.keys() == {"image/jpeg", "text/plain"} and card._repr_jpeg_()[:2] == b"\xff\xd8"
        assert text in data["text/plain"] == metadata["image/jpeg"]["alt"], "words, as plain text only"
        assert not any(hasattr(card, f"_repr_{kind}_") for kind in ("html", "markdown", "latex", "svg"))


def test_what_a_terminal_obeys_is_not_in_the_words_of_a_picture(hit):
    titled = replace(hit, item=replace(hit.item, title="a\x1b[31mred\ntitle\u202ex"))
    assert repr(gallery([titled])).isprintable() and "red title" in repr(gallery([titled]))


@pytest.mark.parametrize(("text", "obeyed"), [("<b>case</b>", "case"), ("$x$", "x"), ("a\x1b[31mb", "ab")])
def test_no_markup_is_obeyed_on_a_card(hit, text, obeyed):
    written, other = (best(ranking(hit, each), Query(text="x")).image for each in (text, obeyed))
    assert written.size != other.size or ImageChops.difference(written, other).getbbox()
