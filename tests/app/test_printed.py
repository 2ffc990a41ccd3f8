"""The cheat sheet in a real browser: one page of paper, and readable on a phone."""

import re
from pathlib import Path

import pytest

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
