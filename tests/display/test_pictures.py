import io

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from rag_lib import display
from rag_lib.display import pictures
from rag_lib.errors import RagError
from rag_lib.panorama import BLUE
from rag_lib.records import Evidence, Hit, Item, Query, Ranking
from rag_lib.typeset import font_for, wrap


@pytest.fixture
def hits(tmp_path):
    found = []
    for rank in range(1, 10):
        path = tmp_path / f"{rank}.png"
        Image.new("RGB", (60, 60), (25 * rank, 255 - 25 * rank, 90)).save(path)
        found.append(Hit(rank, 1 - rank / 10, Item(f"id{rank}", path, f"Product number {rank} in a color")))
    return found


def count(picture, color, tolerance=0) -> int:
    """How many pixels have this color."""
    return int((abs(np.asarray(picture.image).astype(int) - color) <= tolerance).all(axis=2).sum())


def test_a_notebook_keeps_one_jpeg_and_a_text_that_does_not_change(hits):
    picture = display.gallery(hits)
    data, metadata = InteractiveShell.instance().display_formatter.format(picture)
    assert set(data) == {"text/plain", "image/jpeg"}
    assert data["text/plain"] == metadata["image/jpeg"]["alt"]
    assert data["text/plain"].startswith("Pictures: 1 Product number 1 in a color, 2 Product number 2")
    assert len(picture._repr_jpeg_()) < 60_000
    assert Image.open(io.BytesIO(picture._repr_jpeg_())).size == picture.image.size


def test_every_hit_is_shown_and_the_winner_framed(hits):
    plain = display.show_results(Query(hits[0].item.path, "a phone case like this"), hits)
    framed = display.show_results(Query(hits[0].item.path, "a phone case like this"), hits, highlight="id4")
    assert plain.image.width <= pictures.WIDTH
    for rank in range(1, 10):
        assert count(plain, (25 * rank, 255 - 25 * rank, 90)) > 8_000
    assert count(plain, BLUE) > 1_000
    assert count(plain, pictures.GREEN) == 0 and count(framed, pictures.GREEN) > 1_000


def test_queries_without_a_picture_or_text_and_results_without_hits_are_shown(hits):
    assert count(display.show_results(Query(text="a red kettle"), hits[:1]), BLUE, 60) < 500
    assert count(display.show_results(Query(hits[0].item.path), hits[:1]), BLUE) > 1_000
    assert display.show_results(Query(text="a red kettle"), []).image.width <= pictures.WIDTH


def test_a_gallery_takes_items_paths_and_pictures_and_marks_unreadable_ones(hits, tmp_path):
    image = Image.new("RGB", (40, 10), (1, 2, 3))
    picture = display.gallery([hits[0].item, hits[1].item.path, image, tmp_path / "none.jpg"], columns=4)
    assert count(picture, (1, 2, 3)) > 8_000
    assert count(picture, (235, 235, 235)) > 20_000
    assert picture.alt == f"Pictures: {hits[0].item.title}, {hits[1].item.path.stem}, untitled, none."
    assert display.gallery([image], captions=["Ελληνικά и кириллица, été"]).image.height > 200


def test_the_card_shows_the_winner_its_reason_and_its_evidence(hits):
    query = Query(hits[0].item.path, "a phone case like this")
    order = (hits[3], *hits[:3], *hits[4:])
    bare = display.best(Ranking(order), query)
    told = display.best(
        Ranking(order, "It is a case. " * 40, {"id4": Evidence(("stars",), ("case",), ("color",))}), query
    )
    assert count(bare, (100, 155, 90)) > 30_000  # hit 4, not the first by search
    assert told.image.height > bare.image.height and told.image.width <= pictures.WIDTH
    assert count(told, pictures.RED) > 20 > count(bare, pictures.RED)


def test_show_shrinks_but_never_enlarges(tmp_path):
    assert display.show(Image.new("RGB", (1800, 600))).image.size == (900, 300)
    assert display.show(Image.new("RGB", (20, 10))).image.size == (20, 10)
    path = display.show(Image.new("RGB", (20, 10))).save(tmp_path / "new" / "a.jpg")
    assert Image.open(path).size == (20, 10)


def test_wrong_values_are_refused(hits):
    with pytest.raises(RagError, match="1 captions for 9 pictures"):
        display.gallery(hits, captions=["a"])
    with pytest.raises(RagError, match="columns = 0"):
        display.gallery(hits, columns=0)


@pytest.mark.parametrize(
    "text", ["a phone case with this image theme, please", "x" * 200, "tab\tnew\nline\0null", "été " * 30]
)
def test_lines_fit_and_say_when_something_was_cut(text):
    font = font_for(text, 14)
    lines = wrap(text, font, 100, 3)
    assert 1 <= len(lines) <= 3 and all(font.getlength(line) <= 100 for line in lines)
    whole = wrap(text, font, 100, 99)
    assert lines == whole if len(whole) <= 3 else lines[-1].endswith("…")
    assert "".join("".join(whole).split()) == "".join(text.replace("\0", " ").split())


def test_accents_are_drawn_not_boxed():
    """Pillow's own font has ASCII only: its é and its ü are the same box."""
    drawn = {bytes(font_for(letter, 20).getmask(letter)) for letter in "éüßžŁΩЖ–€"}
    assert len(drawn) == 9


def test_rows_stand_below_each_other_with_all_tiles_of_one_size(hits):
    picture = display.show_rows({"as it is": hits, "with a filter": hits[:2], "nothing": []}, columns=4)
    assert picture.image.width == pictures.WIDTH
    areas = [count(picture, (25 * rank, 255 - 25 * rank, 90)) for rank in range(1, 6)]
    assert min(areas[:4]) > 10_000 and areas[4] == 0  # the fifth of four columns is not shown
    assert areas[0] == areas[1] == 2 * areas[2]


def test_what_is_not_wanted_is_framed_in_red(hits):
    plain = display.show_rows({"before": hits, "after": hits[1:]})
    marked = display.show_rows({"before": hits, "after": hits[1:]}, unwanted=["id1"])
    assert count(plain, pictures.RED) == 0 and count(marked, pictures.RED) > 500
    assert count(display.show_rows({"before": hits, "after": hits}, unwanted=["id1"]), pictures.RED) == 2 * count(
        marked, pictures.RED
    )
