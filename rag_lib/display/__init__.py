"""What notebooks and the app show: galleries, a query with its results, the winner with its reason, a map, charts.

In: records (Item, Hit, Query, Ranking) and, for the map and the diagram, embeddings. Out: a `Picture`, which a
notebook shows as the last expression of a cell: at most 900 pixels wide and as JPEG, so that notebooks with their
outputs stay small. A report, a training's log or several rankings become a matplotlib figure.
"""

from rag_lib.display.answers import show_examples, show_failures
from rag_lib.display.curves import learning_curves
from rag_lib.display.diagram import embedding_diagram
from rag_lib.display.measures import (
    difference_points,
    permutation_histograms,
    recall_bars,
    slide_lines,
    split_points,
    weight_sweep,
)
from rag_lib.display.pictures import Picture, best, gallery, show, show_results, show_rows
from rag_lib.display.places import place_lines
from rag_lib.display.projection import embedding_map

__all__ = [
    "Picture",
    "best",
    "difference_points",
    "embedding_diagram",
    "embedding_map",
    "gallery",
    "learning_curves",
    "permutation_histograms",
    "place_lines",
    "recall_bars",
    "show",
    "show_examples",
    "show_failures",
    "show_results",
    "show_rows",
    "slide_lines",
    "split_points",
    "weight_sweep",
]
