"""The charts show the report's figures: heights, places, labels; and all of it lies inside of the picture."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from rag_lib import display
from rag_lib.display.charts import PALE, VERMILION
from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import COMPOSED, DrawnQuery
from rag_lib.evaluation.drawn.report import ALL, report

WAYS = {"composed": 0.9, "image only": 0.1, "text only": 0.2, "average": 0.5}  # the share that each gets right
EDITS = ("color", "theme", "both")


@pytest.fixture(scope="module")
def made():
    """A report of 40 queries a family that are right or wrong at random, a fixed one."""
    rng = np.random.default_rng(0)
    queries = []
    for family in COMPOSED:
        for n in range(40):
            tags = {"combination": ("seen", "unseen")[n % 2], "phrasing": ("seen", "held-out")[n // 2 % 2]}
            if family == "theme transfer":
                tags["picture kind"] = ("seen", "held-out")[n // 4 % 2]
            if family == "attribute edit":
                tags["edit"] = EDITS[n % 3]
            queries.append(DrawnQuery(f"{family} {n}", family, None, None, (None,) * 3, (None,) * 3, tags))
    qrels = {query.query_id: {"right": 1} for query in queries}

    def run(share):
        orders = (("right", "wrong"), ("wrong", "right"))
        return {q.query_id: dict(zip(orders[rng.random() > share], (0.9, 0.8), strict=True)) for q in queries}

    return report([Asked("standard", "excluded", way, queries, run(share), qrels) for way, share in WAYS.items()])


@pytest.fixture(scope="module")
def charts(made):
    permuted = {family: np.random.default_rng(1).integers(-9, 10, 500) / 40 for family in COMPOSED}
    blended = {family: [0.1, 0.6, 0.2] for family in COMPOSED}
    composed = {family: made.find("standard", family)["Recall@1"] for family in COMPOSED}
    return {
        "bars": display.recall_bars(made, "standard"),
        "MRR": display.recall_bars(made, "standard", measure="MRR"),
        "splits": display.split_points(made, "standard"),
        "differences": display.difference_points(made, "standard"),
        "permutations": display.permutation_histograms(permuted, dict.fromkeys(COMPOSED, 0.1)),
        "sweep": display.weight_sweep([0, 0.5, 1], blended, composed),
    }


@pytest.mark.parametrize(("name", "measure"), [("bars", "Recall@1"), ("MRR", "MRR")])
def test_bars_are_as_high_as_the_report_says(charts, made, name, measure):
    axes = charts[name].axes[0]
    bars = {bar.get_label(): [patch.get_height() for patch in bar] for bar in axes.containers if len(bar) == 4}
    assert [label.get_text() for label in axes.get_xticklabels()] == [ALL, *COMPOSED]
    for way in WAYS:
        assert bars[way] == [made.find("standard", family, way=way)[measure]["mean"] for family in (ALL, *COMPOSED)]
    assert measure in axes.get_ylabel()


def test_every_split_has_its_row_with_both_ways_and_the_number_of_its_queries(charts, made):
    axes = charts["splits"].axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert len(rows) == 2 + 2 + 2 + len(EDITS) and rows[0] == "combination: seen" and rows[-1] == "edit: both"
    points = {bars.get_label(): bars.lines[0].get_xdata() for bars in axes.containers}
    for way in ("composed", "average"):
        assert points[way][0] == made.find("standard", ALL, split="combination: seen", way=way)["Recall@1"]["mean"]
        assert (
            points[way][-1] == made.find("standard", "attribute edit", split="edit: both", way=way)["Recall@1"]["mean"]
        )
    assert [text.get_text() for text in axes.texts][:2] == ["n = 60", "n = 60"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top


def test_differences_are_the_reports_with_their_p(charts, made):
    axes = charts["differences"].axes[0]
    (points,) = (bars.lines[0].get_xdata() for bars in axes.containers)
    compared = {(row["family"], row["split"]): row for row in made.compared}
    keys = [*((family, "all") for family in (ALL, *COMPOSED)), *(("attribute edit", f"edit: {edit}") for edit in EDITS)]
    assert points.tolist() == [compared[key]["difference"] for key in keys]
    assert axes.texts[0].get_text() == "p < .001" and axes.texts[-1].get_text().startswith("p = 0.")
    left, right = axes.get_xlim()
    assert left < min(row["low"] for row in compared.values()) and max(points) < right


def test_what_chance_makes_as_far_from_zero_is_of_another_color():
    permuted = np.array([-0.2, -0.1, -0.1, 0, 0, 0, 0.1, 0.1, 0.1, 0.2])
    figure = display.permutation_histograms({"x": permuted, "nothing": np.zeros(9)}, {"x": 0.2, "nothing": 0.0})
    axes, nothing = figure.axes
    shares = {}
    for bar in axes.patches:
        shares.setdefault(to_hex(bar.get_facecolor()), []).append(bar.get_height())
    assert shares[VERMILION.lower()] == pytest.approx([0.1, 0.1])
    assert shares[PALE] == pytest.approx([0.2, 0.3, 0.3])
    (bar,) = nothing.patches  # equal runs: every sign gives 0, as far as what was observed
    assert bar.get_height() == 1 and to_hex(bar.get_facecolor()) == VERMILION.lower()


def test_the_sweep_shows_the_sums_and_the_level_of_composing(charts, made):
    for axes, family in zip(charts["sweep"].axes, COMPOSED, strict=True):
        level, sums = axes.lines
        assert axes.get_title() == family and list(sums.get_ydata()) == [0.1, 0.6, 0.2]
        assert set(level.get_ydata()) == {made.find("standard", family)["Recall@1"]["mean"]}


@pytest.mark.parametrize("name", ["bars", "MRR", "splits", "differences", "permutations", "sweep"])
def test_no_text_leaves_the_chart_or_covers_another(charts, name):
    figure = charts[name]
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    boxes = []
    for axes in figure.axes:
        shown = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())  # beyond it are labels that are not drawn
            shown += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes += [text.get_window_extent() for text in shown if text.get_text() and text.get_visible()]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    for number, box in enumerate(boxes):
        assert not any(box.padded(-1).overlaps(other) for other in boxes[number + 1 :])


def test_a_chart_is_shown_once(charts):
    assert charts and not plt.get_fignums()  # what pyplot still holds, a notebook shows after the cell


def test_the_slider_has_a_panel_a_family_and_a_line_a_share():
    shares = {"Recall@1": [0.1, 0.9, 0.2], "as pictured": [1, 0.5, 0], "as worded": [0, 0.5, 1]}
    figure = display.slide_lines([0, 0.5, 1], {"theme transfer": shares, "attribute edit": shares})
    assert [axes.get_title() for axes in figure.axes] == ["theme transfer", "attribute edit"]
    for axes in figure.axes:
        assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == shares
