"""Charts of what was measured: the ways of asking, the splits, how sure a difference is, a sweep of weights.

In: a `Report`, or arrays of what a notebook computed; out: a matplotlib figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag_lib.display.charts import BLUE, DARK, ORANGE, PALE, RULE, SKY, VERMILION, chart
from rag_lib.evaluation.drawn.plan import COMPOSED
from rag_lib.evaluation.drawn.report import ALL, WHOLE, Report
from rag_lib.evaluation.drawn.tables import p_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS = {"composed": BLUE, "average": ORANGE, "image only": SKY, "text only": PALE}
FAMILIES = (ALL, *COMPOSED)
# (family, the name of the split): those of all composed families, and those that one family alone has
SPLITS = ((ALL, "combination"), (ALL, "phrasing"), ("theme transfer", "picture kind"), ("attribute edit", "edit"))
ERROR_BAR = {"ecolor": DARK, "elinewidth": 1, "capsize": 3}


def recall_bars(made: Report, gallery: str, *, measure: str = "Recall@1") -> "Figure":
    """The composition meter: a bar for every family and way of asking, with its 95% interval."""
    figure, (axes,) = chart(3.9, alt=f"Bars: {measure} of {', '.join(FAMILIES)}, asked in the ways {', '.join(WAYS)}.")
    width = 0.8 / len(WAYS)
    for number, (way, color) in enumerate(WAYS.items()):
        found = [made.find(gallery, family, way=way)[measure] for family in FAMILIES]
        places = np.arange(len(FAMILIES)) + (number - (len(WAYS) - 1) / 2) * width
        means, reach = _reach(found)
        axes.bar(places, means, width * 0.9, color=color, label=way, yerr=reach, error_kw=ERROR_BAR)
        for place, figures in zip(places, found, strict=True):
            axes.text(place, figures["high"] + 0.015, f"{figures['mean']:.2f}", ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(FAMILIES)), FAMILIES)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1.1)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_ylabel(f"{measure}, with 95% interval")
    axes.grid(axis="y", color=RULE)
    axes.legend(ncols=len(WAYS), frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=10)
    return figure


def split_points(made: Report, gallery: str, *, measure: str = "Recall@1") -> "Figure":
    """Every split of the composed queries, composed and averaged, with 95% intervals; n: the queries of a row."""
    rows = [
        (family, row["split"], row["n"])
        for family, name in SPLITS
        for row in _rows(made, gallery)
        if row["family"] == family and row["split"].startswith(f"{name}: ")
    ]
    figure, (axes,) = chart(
        1.2 + 0.36 * len(rows), alt=f"Points: {measure}, composed and average, of the splits of the queries."
    )
    lowest = 1.0
    for way, color, marker, lift in (("composed", BLUE, "o", -0.14), ("average", ORANGE, "s", 0.14)):
        found = [made.find(gallery, family, split=split, way=way)[measure] for family, split, _ in rows]
        means, reach = _reach(found)
        places = np.arange(len(rows)) + lift
        axes.errorbar(means, places, xerr=reach, fmt=marker, color=color, label=way, capsize=3, markersize=6)
        lowest = min([lowest, *(figures["low"] for figures in found)])
    labels = [f"{family}, {split}" if split.startswith("picture") else split for family, split, _ in rows]
    _label_rows(axes, labels, [split.split(":")[0] for _, split, _ in rows])
    _note(axes, [f"n = {n}" for _, _, n in rows])
    axes.set_xlim(max(0, min(0.8, np.floor(lowest * 20 - 1) / 20)), 1.01)
    axes.set_xlabel(f"{measure}, with 95% interval")
    axes.legend(ncols=2, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=10)
    return figure


def difference_points(made: Report, gallery: str) -> "Figure":
    """Composed minus average, Recall@1, with 95% interval and p: the families, and the kinds of edits."""
    compared = {
        (row["family"], row["split"]): row
        for row in made.compared
        if (row["gallery"], row["own"]) == (gallery, "excluded")
    }
    keys = [(family, WHOLE) for family in FAMILIES]
    keys += [key for key in compared if key[1].startswith("edit: ")]
    rows = [compared[key] for key in keys]
    figure, (axes,) = chart(
        0.9 + 0.36 * len(rows),
        alt="Points: Recall@1, composed minus average, with intervals and p, by family.",
    )
    low, mean, high = (np.array([row[name] for row in rows]) for name in ("low", "difference", "high"))
    axes.errorbar(mean, range(len(rows)), xerr=[mean - low, high - mean], fmt="o", color=BLUE, capsize=3, markersize=6)
    axes.axvline(0, color=DARK, linewidth=1)
    _label_rows(
        axes,
        [family if split == WHOLE else split for family, split in keys],
        [family == ALL if split == WHOLE else split[:4] for family, split in keys],
    )
    _note(axes, [f"p = {p_text(row['p'])}".replace("= <", "< ") for row in rows])
    edge = max(0.05, -low.min(), high.max()) * 1.08
    axes.set_xlim(-edge if low.min() < -0.3 * edge else 0.4 * -edge, edge)
    axes.set_xlabel("Recall@1, composed minus average, with 95% interval")
    return figure


def permutation_histograms(permuted: Mapping[str, np.ndarray], observed: Mapping[str, float]) -> "Figure":
    """A panel a family: the differences that chance makes, and the one that was observed.

    `permuted`: family -> (n,) mean differences under random signs. `observed`: family -> the mean difference.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure, panels = chart(
        3.1, len(permuted), alt=f"Histograms: differences made by chance, beside the observed: {', '.join(permuted)}."
    )
    edge = 1.1 * max(0.01, *map(abs, observed.values()), *(np.abs(some).max() for some in permuted.values()))
    for axes, (family, some) in zip(panels, permuted.items(), strict=True):
        values, counts = np.unique(np.round(some, 9), return_counts=True)
        width = 0.85 * (np.diff(values).min() if len(values) > 1 else edge / 20)
        as_far = np.abs(values) >= abs(observed[family]) - 1e-9
        axes.bar(values, counts / counts.sum(), width, color=np.where(as_far, VERMILION, PALE))
        axes.axvline(observed[family], color=BLUE, linewidth=2)
        axes.set_title(family, fontsize=11, color=DARK)
        axes.set_xlim(-edge, edge)
        axes.set_yticks([])
    panels[0].set_ylabel("share of permutations")
    figure.supxlabel("mean difference of Recall@1, composed minus average", fontsize=10, color=DARK)
    handles = [
        Patch(color=PALE, label="by chance, nearer to 0"),
        Patch(color=VERMILION, label="by chance, as far from 0 as observed"),
        Line2D([], [], color=BLUE, linewidth=2, label="observed"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=10)
    return figure


def weight_sweep(
    weights: Sequence[float],
    blended: Mapping[str, Sequence[float]],
    composed: Mapping[str, Mapping[str, float]],
    *,
    measure: str = "Recall@1",
) -> "Figure":
    """A panel a family: the weighted sum of the two halves at every weight of the picture, and composing beside it.

    `blended`: family -> (len(weights),) means. `composed`: family -> "mean", "low", "high".
    """
    figure, panels = chart(
        3.4, len(blended), alt=f"Lines: {measure} by weight of the picture, beside composing: {', '.join(blended)}."
    )
    for axes, (family, means) in zip(panels, blended.items(), strict=True):
        here = composed[family]
        axes.axhspan(here["low"], here["high"], color=BLUE, alpha=0.15, linewidth=0)
        axes.axhline(here["mean"], color=BLUE, linewidth=2, label="composed, with 95% interval")
        axes.plot(weights, means, "s-", color=ORANGE, markersize=5, label="weighted sum")
        _share_panel(axes, family, ["0\nwords", "0.5\naverage", "1\npicture"], first=axes is panels[0])
    panels[0].set_ylabel(measure)
    figure.supxlabel("weight of the picture's embedding", fontsize=10, color=DARK)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=10)
    return figure


def slide_lines(words: Sequence[float], figures: Mapping[str, Mapping[str, Sequence[float]]]) -> "Figure":
    """A panel a family: shares at every position of the slider between the picture and the words.

    `figures`: family -> name of a share -> (len(words),) means; the first is drawn as the main one.
    """
    figure, panels = chart(3.4, len(figures), alt=f"Lines: shares by position of the slider: {', '.join(figures)}.")
    styles = ((BLUE, "o-", 2.2), (SKY, "--", 1.6), (ORANGE, "--", 1.6))
    for axes, (family, shares) in zip(panels, figures.items(), strict=True):
        for (name, means), (color, style, width) in zip(shares.items(), styles, strict=False):
            axes.plot(words, means, style, color=color, linewidth=width, markersize=5, label=name)
        _share_panel(axes, family, ["0\npicture", "0.5\ncomposed", "1\nwords"], first=axes is panels[0])
    figure.supxlabel("words", fontsize=10, color=DARK)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False, fontsize=10)
    return figure


def _rows(made: Report, gallery: str) -> list[dict]:
    place = {"gallery": gallery, "own": "excluded", "way": "composed"}
    return [row for row in made.rows if place.items() <= row.items()]


def _reach(found: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Means, and how far below and above them the intervals reach, (2, n), never negative by rounding."""
    low, mean, high = (np.array([figures[name] for figures in found]) for name in ("low", "mean", "high"))
    return mean, np.maximum(0, [mean - low, high - mean])


def _label_rows(axes, labels: Sequence[str], groups: Sequence) -> None:
    """Rows from the top down, with a thin line between groups."""
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", color=RULE)
    for place in range(1, len(groups)):
        if groups[place] != groups[place - 1]:
            axes.axhline(place - 0.5, color=PALE, linewidth=0.8)


def _note(axes, notes: Sequence[str]) -> None:
    """A word at the right end of every row."""
    for place, note in enumerate(notes):
        axes.annotate(note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=DARK)


def _share_panel(axes, family: str, ends: Sequence[str], *, first: bool) -> None:
    """A panel of shares over a weight from 0 to 1; `ends`: what stands below 0, 0.5 and 1; `first` has the numbers."""
    axes.set_title(family, fontsize=11, color=DARK)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(0, 1.04)
    axes.set_xticks([0, 0.5, 1], ends)
    axes.grid(axis="y", color=RULE)
    axes.tick_params(axis="y", labelleft=first)
