"""Charts of several runs: a panel a figure, a point a run.

In: figures by name, one number a run. Out: a matplotlib figure.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rag_lib.display.charts import BLUE, ORANGE, PALE, RULE, SKY, VERMILION, chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = [(color, marker) for marker in "os^" for color in (BLUE, ORANGE, SKY, VERMILION, PALE)]
LEGEND = 8  # lines; more are not told apart by a legend


def run_points(figures: Mapping[str, Sequence[float]], labels: Sequence[str]) -> "Figure":
    """A row a run, from the top down. `figures`: name -> one number a run, in the order of `labels`."""
    figure, panels = chart(
        1.2 + 0.3 * len(labels), len(figures), alt=f"Points: {', '.join(figures)} of {len(labels)} runs."
    )
    places = range(len(labels))
    for axes, (name, values) in zip(panels, figures.items(), strict=True):
        axes.hlines(places, min(0, *values), values, color=RULE, linewidth=2)
        axes.plot(values, places, "o", color=BLUE)
        axes.set_yticks(places, labels if axes is panels[0] else [])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_title(_wrapped(name, len(figures)), fontsize=10)
    return figure


def sweep_lines(
    figures: Mapping[str, Sequence[float]], axis: str, at: Sequence[float], groups: Sequence[str]
) -> "Figure":
    """A line a group over the parameter `axis`. `at`, `groups`: of each run, where it stands and to what it belongs."""
    names = list(dict.fromkeys(groups))
    figure, panels = chart(3.2, len(figures), alt=f"Lines: {', '.join(figures)} over {axis}, {len(names)} of them.")
    for axes, (name, values) in zip(panels, figures.items(), strict=True):
        for number, group in enumerate(names):
            color, marker = STYLES[number % len(STYLES)]
            points = sorted((x, y) for x, y, of in zip(at, values, groups, strict=True) if of == group)
            label = textwrap.shorten(group, 60, placeholder=" …") or None
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, label=label)
        axes.set_xlabel(axis)
        axes.set_xticks(sorted(set(at))) if len(set(at)) <= 8 else None
        axes.grid(axis="y", color=RULE)
        axes.set_title(_wrapped(name, len(figures)), fontsize=10)
    if 1 < len(names) <= LEGEND:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=9)
    return figure


def _wrapped(name: str, panels: int) -> str:
    """A figure's name over its panel, in three lines at most."""
    return textwrap.fill(name, 96 // panels, max_lines=3, placeholder=" …")
