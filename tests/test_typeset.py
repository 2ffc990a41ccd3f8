"""Lines of text: broken where they may be, never wider than asked for, and no text takes long."""

import time

import pytest

from rag_lib.typeset import font_for, wrap

URL = "https://shop.example/p/" + "".join(f"{number:04x}-" for number in range(400))


def lines(text, width=150, most=3):
    return wrap(text, font_for(text, 12), width, most)


def test_words_are_kept_whole_where_they_fit():
    assert lines("A red toaster with two slots, in steel") == ["A red toaster with two", "slots, in steel"]
    assert lines("  tabs\tand\nlines \x07 ") == ["tabs and lines"]
    assert lines("") == lines(" \n") == []


def test_what_does_not_fit_ends_in_an_ellipsis():
    found = lines("one two three four five six seven eight nine ten eleven twelve, " * 3, most=2)
    assert len(found) == 2 and found[1].endswith("…") and not found[0].endswith("…")
    assert not found[1].endswith(",…")


@pytest.mark.parametrize("text", [URL, "see " + URL, "W" * 999, "i" * 999, "写真" * 200, "e\u0301" * 200])
@pytest.mark.parametrize("width", [3, 40, 150])
def test_a_word_that_is_too_long_is_broken_into_full_lines(text, width):
    font = font_for(text, 12)
    found = wrap(text, font, width, 10_000)
    assert "".join(found) == text.replace(" ", "")
    assert all(font.getlength(line) <= width or len(line) == 1 for line in found)
    for line, after in zip(found, found[1:], strict=False):
        if line != "see":
            assert font.getlength(line + after[0]) > width or len(line) == width  # full


@pytest.mark.parametrize("length", [1_600, 100_000, 2_000_000])
def test_a_long_word_takes_no_time(length):
    for letter in ("x", "\u0301", "写"):
        began = time.perf_counter()
        found = lines(letter * length, most=2)
        assert len(found) == 2 and found[1].endswith("…")
        assert time.perf_counter() - began < 5  # by trying every length it took three minutes for 1,600 letters


def test_many_words_end_with_the_lines():
    began = time.perf_counter()
    assert len(lines("word " * 200_000, most=2)) == 2
    assert time.perf_counter() - began < 5
