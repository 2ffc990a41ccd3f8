import io

import pytest
from PIL import Image

from rag_lib.display import place_lines

TORN = [[3, 1, 2], [3, 2, 1], [1, 3, 2]]


def places(axes):
    """candidate -> its places in the rankings, and in the consensus."""
    solid, dotted = axes.lines[::2], axes.lines[1::2]
    return {
        line.get_label(): [*line.get_ydata().tolist(), end.get_ydata()[-1].item()]
        for line, end in zip(solid, dotted, strict=True)
    }


def test_the_lines_are_the_places_and_end_in_the_consensus():
    calm, torn = place_lines({"calm": [[1, 2, 3]] * 3, "torn": TORN}).axes
    assert places(calm) == {"1": [1, 1, 1, 1], "2": [2, 2, 2, 2], "3": [3, 3, 3, 3]}
    assert places(torn) == {"1": [2, 3, 1, 2], "2": [3, 2, 3, 3], "3": [1, 1, 2, 1]}
    assert [label.get_text() for label in torn.get_xticklabels()] == ["1", "2", "3", "all"]


def test_only_those_that_are_first_somewhere_have_a_color():
    (axes,) = place_lines({"torn": TORN}).axes
    colors = {line.get_label(): line.get_color() for line in axes.lines[::2]}
    assert len(set(colors.values())) == 3 and colors["2"] == "#9aa0a6"


def test_a_candidate_has_one_color_in_all_panels():
    panels = place_lines({"calm": [[3, 1, 2]] * 2, "torn": TORN}).axes
    calm, torn = ({line.get_label(): line.get_color() for line in axes.lines[::2]} for axes in panels)
    assert calm == torn


@pytest.mark.parametrize("judge", [r"a $\frac$ model", "<script>alert(1)</script>"])
def test_the_judges_name_is_drawn_as_it_is(judge):
    figure, data = place_lines({judge: [[1]]}), io.BytesIO()
    figure.savefig(data)  # bad mathtext would raise here
    assert Image.open(data).width > 400 and figure.axes[0].get_title() == judge
