"""What the page shows of an answer, as HTML: the gallery, the winner, each half alone, the panorama.

In: records; out: text. Pictures are embedded as data, so that none is kept in a file that somebody else could ask for.
All words that are not ours (titles, reasons, evidence) are escaped.
"""

import base64
import functools
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from rag_lib.images import ImageError, thumbnail
from rag_lib.records import Catalog, Evidence, Hit, Item, Ranking

SIDES = ("keeps", "changes", "violates")


def data_url(image: Image.Image, *, quality: int = 85) -> str:
    """A picture as text that a browser shows."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


@functools.lru_cache(maxsize=2048)
def small(path: Path, edge: int) -> str:
    """A catalog's picture, shrunk, as data; "" if it cannot be opened."""
    try:
        return data_url(thumbnail(path, edge))
    except ImageError:
        return ""


def gallery(hits: Sequence[Hit], *, ranking: Ranking | None = None) -> str:
    """The hits with rank, score and title; with a `ranking` in its order, the winner marked."""
    if not hits:
        return '<p class="empty">No picture passes the filter: loosen it.</p>'
    shown = ranking.hits if ranking else hits
    best = ranking.best.item.image_id if ranking else None
    return f'<div class="hits">{"".join(_hit(hit, place, best) for place, hit in enumerate(shown, 1))}</div>'


def winner(ranking: Ranking) -> str:
    """The best hit at large, and why."""
    hit = ranking.best
    moved = "first in the search, too" if hit.rank == 1 else f"number {hit.rank} of the search"
    return (
        f'<section class="winner">{_picture(hit.item, 640)}<div><h2>The winner <small>{moved}</small></h2>'
        f'<h3>{escape(hit.item.title)}</h3><p class="reason">'
        f"{escape(ranking.reason or 'The reranker gave no reason.')}</p>"
        f"{_evidence(ranking.evidence.get(hit.item.image_id))}{_repairs(ranking)}</div></section>"
    )


def others(ranking: Ranking) -> str:
    """What speaks for and against the candidates behind the winner; "" where the reranker gave no evidence."""
    rows = [
        f'<li><span class="was">{hit.rank}</span>{_picture(hit.item, 96)}<div><b>{escape(hit.item.title)}</b>'
        f"{_evidence(found)}</div></li>"
        for hit in ranking.hits[1:]
        if (found := ranking.evidence.get(hit.item.image_id))
    ]
    if not rows:
        return ""
    return f'<details class="others"><summary>Why not the others</summary><ol>{"".join(rows)}</ol></details>'


def panorama(image: Image.Image) -> str:
    """The query beside its candidates, numbered as the search ranked them."""
    return (
        '<section class="panorama"><h2>The candidates, numbered as the search ranked them</h2>'
        f'<img src="{data_url(image)}" alt="The query beside the numbered candidates"></section>'
    )


def alone(halves: Mapping[str, Sequence[Hit]]) -> str:
    """What each half of the query would have found without the other."""
    rows = "".join(
        f'<div><h3>{escape(name.capitalize())}</h3><div class="strip">{"".join(_hit(hit, hit.rank) for hit in hits)}'
        "</div></div>"
        for name, hits in halves.items()
    )
    return f'<section class="alone"><h2>What one half would have found</h2>{rows}</section>' if rows else ""


def wall(catalog: Catalog, *, count: int = 24) -> str:
    """What there is to search in, before anything was asked."""
    step = max(1, len(catalog.items) // count)
    pictures = "".join(_picture(item, 160) for item in catalog.items[::step][:count])
    return f'<div class="wall" aria-hidden="true">{pictures}</div>'


def examples(catalog: Catalog) -> str:
    """Buttons with the catalog's query pictures."""
    buttons = "".join(
        f'<button type="button" data-name="{escape(name)}" title="{escape(name)}" aria-label="{escape(name)}">'
        f'<img src="{small(path, 96)}" alt=""></button>'
        for name, path in catalog.query_pictures.items()
    )
    return f'<div class="examples">{buttons}</div>' if buttons else ""


def status(sentences: Sequence[str], *, kind: str = "note") -> str:
    """`kind`: "note" or "error"."""
    role = "alert" if kind == "error" else "status"
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<div class="status {kind}" role="{role}">{lines}</div>' if lines else ""


def download(result: Mapping[str, Any]) -> str:
    """A link that holds the result itself: nothing lies on the server for it."""
    data = base64.b64encode(json.dumps(result, indent=1, ensure_ascii=False).encode()).decode()
    return f'<a class="download" download="answer.json" href="data:application/json;base64,{data}">Save as JSON</a>'


def _hit(hit: Hit, place: int, best: str | None = None) -> str:
    chosen = hit.item.image_id == best
    was = "" if best is None or hit.rank == place else f'<span class="was" title="rank in the search">{hit.rank}</span>'
    price = hit.item.metadata.get("price")
    aside = f'<span class="price">{price:.2f}</span>' if isinstance(price, int | float) else ""
    return (
        f'<figure class="hit{" best" * chosen}">{_picture(hit.item, 320)}'
        f'<i class="bar" style="--score:{max(0.0, min(1.0, hit.score)):.3f}"></i>'
        f'<figcaption><span class="rank">{place}</span>{was}<span class="score" title="cosine">{hit.score:.2f}</span>'
        f'<span class="title">{escape(hit.item.title)}</span>{aside}</figcaption></figure>'
    )


def _picture(item: Item, edge: int) -> str:
    source, title = small(item.path, edge), escape(item.title, quote=True)
    return f'<img src="{source}" alt="{title}">' if source else '<span class="unreadable">unreadable</span>'


def _evidence(found: Evidence | None) -> str:
    phrases = [(side, phrase) for side in SIDES for phrase in getattr(found, side, ())]
    chips = "".join(f'<li class="{side}"><b>{side}</b> {escape(phrase)}</li>' for side, phrase in phrases)
    return f'<ul class="evidence">{chips}</ul>' if chips else ""


def _repairs(ranking: Ranking) -> str:
    counted = ", ".join(f"{count} {escape(kind)}" for kind, count in ranking.repairs.items() if count)
    return f'<p class="repairs">Repaired in the reply: {counted}.</p>' if counted else ""
