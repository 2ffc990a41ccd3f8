"""What notebooks and the app show: galleries, a query with its results, the winner with its reason, a map.

In: records (Item, Hit, Query, Ranking, Catalog) and, for the map, embeddings. Out: a `Picture`, which a notebook shows
as the last expression of a cell: at most 900 pixels wide and as JPEG, so that notebooks with their outputs stay small.
"""

from rag_lib.display.pictures import (
    AMBER,
    GREEN,
    INK,
    LINE,
    PAPER,
    RED,
    SOFT,
    WIDTH,
    Picture,
    best,
    catalog_sheet,
    gallery,
    show,
    show_results,
)
from rag_lib.display.projection import embedding_map

__all__ = [
    "AMBER",
    "GREEN",
    "INK",
    "LINE",
    "PAPER",
    "RED",
    "SOFT",
    "WIDTH",
    "Picture",
    "best",
    "catalog_sheet",
    "embedding_map",
    "gallery",
    "show",
    "show_results",
]
