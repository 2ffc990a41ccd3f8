"""How a training went: losses and accuracies by step.

In: the log that `rag_lib.training` keeps in log.json; out: a matplotlib figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rag_lib.display.charts import BLUE, DARK, ORANGE, PALE, RULE, VERMILION, chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = (BLUE, VERMILION, ORANGE, PALE)  # of the stages
STYLES = ("-", "--", ":")  # of a stage's accuracies


def learning_curves(log: Mapping[str, Sequence[Mapping[str, float]]]) -> "Figure":
    """Losses at the left, at a logarithmic scale; what was right in the batches at the right, from 0 to 1.

    `log`: stage -> its rows, each with "step", "loss" and the shares that were right, means over the steps since the
    row before. The stages share the axes, each from its own first step.
    """
    figure, (losses, shares) = chart(3.6, panels=2, alt=f"Losses and right shares by step: {', '.join(log)}.")
    for place, (stage, rows) in enumerate(log.items()):
        steps = [row["step"] for row in rows]
        color, marker = COLORS[place % len(COLORS)], "o" if len(rows) == 1 else None  # a line needs two points
        losses.plot(steps, [row["loss"] for row in rows], color=color, label=stage, marker=marker)
        for number, name in enumerate(name for name in (rows[0] if rows else ()) if name not in ("step", "loss")):
            style, values = STYLES[number % len(STYLES)], [row[name] for row in rows]
            shares.plot(steps, values, style, color=color, label=f"{stage}: {name}", marker=marker, linewidth=1.4)
    losses.set(xlabel="step", ylabel="loss", yscale="log")
    shares.set(xlabel="step", ylabel="share that is right in the batch", ylim=(0, 1.02))
    for axes in (losses, shares):
        axes.grid(color=RULE)
        if axes.lines:
            axes.legend(frameon=False, labelcolor=DARK, fontsize=9)
    return figure
