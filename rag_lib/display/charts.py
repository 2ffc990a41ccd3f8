"""How every chart looks here: its colors, its axes.

In: a size and the number of panels; out: a matplotlib figure, which a notebook shows as the last expression of a cell,
with its axes, to be drawn on.
"""

import io
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 9.0  # inches: as wide as the pictures, 900 pixels
# Okabe and Ito's colors, which color-blind readers can tell apart (https://jfly.uni-koeln.de/color/)
BLUE, ORANGE, SKY, VERMILION, PALE = "#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#9aa0a6"
DARK, RULE = "#202124", "#dee1e6"


@cache
def _described() -> "type[Figure]":
    from matplotlib.figure import Figure

    class Described(Figure):
        """A figure that Jupyter shows as PNG, with the words of `alt` for readers who do not see it."""

        alt = ""

        def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
            data = io.BytesIO()
            self.savefig(data, format="png", dpi=100)
            words = {"image/png": b64encode(data.getvalue()).decode(), "text/plain": self.alt or repr(self)}
            return words, {"image/png": {"alt": self.alt}}

    return Described


def chart(height: float, panels: int = 1, *, alt: str) -> "tuple[Figure, list[Axes]]":
    """An empty chart, `height` inches high, with `panels` side by side. `alt`: what it shows, in words."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, panels, figsize=(WIDE, height), layout="constrained", squeeze=False, FigureClass=_described()
    )
    figure.alt = alt
    plt.close(figure)  # or a notebook would show it twice
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)  # inches around each panel
    for each in axes[0]:
        each.spines[["top", "right"]].set_visible(False)
        each.spines[["left", "bottom"]].set_color(PALE)
        each.tick_params(colors=DARK, labelsize=10, length=3)
        each.set_axisbelow(True)
    return figure, list(axes[0])
