"""The page that a run leaves, one file to send: the hero query, what was found, with what, and every notebook whole.

`save_hero` is how notebook 05 leaves its result in <folder>/hero/: result.json, panorama.jpg, winner.jpg and, if the
query had a picture, query.jpg. `write_page` makes <folder>/index.html of it, of the run's record, of the cells tagged
`result`, of the notebooks' pages and of the template page.html.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.images import thumbnail
from rag_lib.paths import replacing, resolve
from rag_lib.records import Query, Ranking

LIMIT = 4_900_000  # bytes: what most mail servers carry without a murmur

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


def write_page(folder: Path, record: Mapping[str, Any], *, hero: Mapping[str, Any] | None) -> Path:
    """Write `folder`/index.html, at most `LIMIT` bytes long; returns its path.

    `record`: as `make_record` made it; the executed notebooks and their pages lie in `folder`. Nothing outside of the
    file is needed to read it. Where smaller pictures are not enough, the longest notebooks stay out, and it is said.
    """
    import nbformat  # what follows takes a second to import, and notebook 05 needs `save_hero` alone

    from rag_lib.run.lesson_page import split_page
    from rag_lib.run.pictures import address, fit
    from rag_lib.run.results import read_results

    names = [line["name"] for line in record["notebooks"]]
    pages = {name: split_page(folder / f"{name}.html", names) for name in names}
    found = {name: read_results(nbformat.read(folder / f"{name}.ipynb", as_version=4)) for name in names}
    pictures = {name: address(folder / "hero" / f"{name}.jpg") for name in _pictures(hero)}
    left_out: list[str] = []
    while True:
        kept = {name: body for name, (_, body) in pages.items() if name not in left_out}
        page = fit(
            render(
                "page.html",
                run=record,
                hero=hero,
                pictures=pictures,
                found={name: results for name, results in found.items() if results},
                styles=next((styles for styles, _ in pages.values()), "") if kept else "",
                bodies=kept,
                left_out=sorted(left_out),
            ),
            LIMIT,
        )
        if len(page.encode()) <= LIMIT or not kept:
            break
        left_out.append(max(kept, key=lambda name: len(kept[name])))
    path = folder / "index.html"
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def render(template: str, **values: Any) -> str:
    """A page of this folder's templates, with everything escaped that is not marked as safe there."""
    from rag_lib.run.results import table_rows

    places = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=places, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.filters["table"] = table_rows
    return templates.get_template(template).render(**values)


def _pictures(hero: Mapping[str, Any] | None) -> list[str]:
    if not hero:
        return []
    return ["winner", "panorama", *(["query"] if hero["has_picture"] else [])]
