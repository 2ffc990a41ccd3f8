"""How the places of candidates change from one ranking of them to the next.

In: several rankings of the same candidates by one judge, such as in shuffled orders; out: a matplotlib figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rag_lib.display.charts import BLUE, DARK, ORANGE, PALE, RULE, SKY, VERMILION, chart
from rag_lib.rerank.consensus import consensus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = (BLUE, VERMILION, ORANGE, SKY)  # of those that are first somewhere; the others are pale


def place_lines(found: Mapping[str, Sequence[Sequence[int]]]) -> "Figure":
    """A panel a judge: a column a ranking, a line a candidate, and the consensus of all at the right.

    `found`: judge -> its rankings, each the same candidates' numbers, best first.
    """
    figure, panels = chart(
        3.6,
        panels=len(found),
        alt=f"Lines: place of each candidate in each order of tiles: {', '.join(found)}.",
    )
    columns = {judge: [*rankings, _consensus(rankings)] for judge, rankings in found.items()}
    firsts = list(dict.fromkeys(ranking[0] for each in columns.values() for ranking in each))
    colors = {number: COLORS[place % len(COLORS)] for place, number in enumerate(firsts)}
    for axes, (judge, rankings) in zip(panels, columns.items(), strict=True):
        last = len(rankings)
        for number in sorted(rankings[0]):
            color, places = colors.get(number, PALE), [ranking.index(number) + 1 for ranking in rankings]
            axes.plot(range(1, last), places[:-1], "o-", color=color, label=f"{number}", linewidth=1.8, markersize=5)
            axes.plot([last - 1, last], places[-2:], "o:", color=color, linewidth=1.8, markersize=7, markevery=[1])
            near = {"va": "center", "fontsize": 9, "color": colors.get(number, DARK)}
            axes.text(0.8, places[0], f"{number}", ha="right", **near)
            axes.text(last + 0.2, places[-1], f"{number}", ha="left", **near)
        axes.set_title(judge, fontsize=11, color=DARK, parse_math=False)
        axes.set_xticks(range(1, last + 1), [*map(str, range(1, last)), "all"])
        axes.set(xlabel="order of the panorama", xlim=(0.4, last + 0.6), ylim=(len(rankings[0]) + 0.5, 0.5))
        axes.set_yticks(range(1, len(rankings[0]) + 1))
        axes.grid(axis="x", color=RULE)
    panels[0].set_ylabel("place")
    return figure


def _consensus(rankings: Sequence[Sequence[int]]) -> list[int]:
    numbers = sorted(rankings[0])
    return [numbers[place] for place in consensus([[numbers.index(n) for n in each] for each in rankings])]
