"""The page that a run leaves: the hero query, the winner and why, the panorama, and the executed notebooks.

`save_hero` is how notebook 05 leaves its result in <folder>/hero/: result.json, panorama.jpg, winner.jpg and, if the
query had a picture, query.jpg. `write_page` makes <folder>/index.html of it and of the template page.html; it links
those and the notebooks.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.images import thumbnail
from rag_lib.paths import replacing, resolve
from rag_lib.records import Query, Ranking

PICTURES = ("panorama.jpg", "winner.jpg")
TEXTS = ("query_text", "winner_title", "reason")


def save_hero(out: str | Path, query: Query, panorama: Image.Image, ranking: Ranking) -> Path:
    """Leave a result in <out>/hero; a relative `out` is meant below the project's home. Returns that folder.

    Raises RagError if it cannot be written.
    """
    folder = resolve(out) / "hero"
    pictures = {"panorama.jpg": panorama, "winner.jpg": thumbnail(ranking.best.item.path, 600)}
    if query.image is not None:
        pictures["query.jpg"] = thumbnail(query.image, 600)
    result = {
        "query_text": query.text or "",
        "winner_title": ranking.best.item.title,
        "reason": ranking.reason,
        "ranking": [{"rank": hit.rank, "title": hit.item.title, "score": round(hit.score, 4)} for hit in ranking.hits],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "query.jpg").unlink(missing_ok=True)
        for name, picture in pictures.items():
            with replacing(folder / name) as beside:
                picture.save(beside, quality=90)
        with replacing(folder / "result.json") as beside:
            beside.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as exc:
        raise RagError(f"The result cannot be left in {out} ({exc.strerror}): make room or name another.") from exc
    return folder


def load_hero(folder: Path) -> dict[str, Any] | None:
    """What notebook 05 left in `folder`: result.json as a dict, or None if there is none.

    Raises RagError if the file or one of its pictures is not what this page needs.
    """
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        whole = all(isinstance(result[name], str) for name in TEXTS)
        whole = whole and all({"rank", "title", "score"} <= row.keys() for row in result["ranking"])
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    missing = [name for name in PICTURES if not (folder / name).exists()]
    if not whole or missing:
        found = f"lacks {', '.join(missing)}" if missing else "holds a result.json of another form"
        raise RagError(f"The results' {folder.name}/ {found}: run the notebook that writes it again.")
    return result | {"has_picture": (folder / "query.jpg").exists()}


def write_page(folder: Path, runs: Sequence[tuple[str, float]], *, edition: str, hero: dict[str, Any] | None) -> Path:
    """Write `folder`/index.html. `runs`: (file name of an executed notebook, seconds), in the order of execution."""
    places = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=places, autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    page = templates.get_template("page.html").render(runs=runs, edition=edition, hero=hero)
    path = folder / "index.html"
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path
