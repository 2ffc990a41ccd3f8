"""The page that a run leaves: the hero query, the winner and why, the panorama, and the executed notebooks.

`save_hero` is how notebook 04 leaves its result in <folder>/hero/: result.json, panorama.jpg, winner.jpg and, if the
query had a picture, query.jpg. `write_page` makes <folder>/index.html of it, which links those and the notebooks.
"""

import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from rag_lib.errors import RagError
from rag_lib.images import thumbnail
from rag_lib.paths import resolve
from rag_lib.records import Query, Ranking

PICTURES = ("panorama.jpg", "winner.jpg")
TEXTS = ("query_text", "winner_title", "reason")

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6878; --line: #e3e7ee; --card: #fff; --page: #f6f7fa;
        --blue: #1f6feb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf3; --soft: #9aa6b8; --line: #2c3442; --card: #1a202b; --page: #11151c; --blue: #6aa5ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; }
h2 { font-size: 1.05rem; margin: 0 0 14px; }
p.soft, td.soft, figcaption { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 22px; }
section { margin-top: 22px; }
.hero { display: grid; grid-template-columns: 1fr auto 1fr; gap: 22px; align-items: center; }
.hero .arrow { font-size: 2rem; color: var(--soft); }
figure { margin: 0; text-align: center; }
figure img { width: 100%; max-width: 300px; aspect-ratio: 1; object-fit: contain; border-radius: 10px; }
figure.query img { border: 4px solid var(--blue); }
figcaption { margin-top: 8px; }
figcaption b { color: var(--ink); display: block; }
blockquote { margin: 0; padding-left: 16px; border-left: 4px solid var(--blue); white-space: pre-line; }
img.panorama { width: 100%; border-radius: 10px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 7px 10px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
a { color: var(--blue); }
@media (max-width: 640px) { .hero { grid-template-columns: 1fr; } .hero .arrow { display: none; } }
"""


def save_hero(out: str | Path, query: Query, panorama: Image.Image, ranking: Ranking) -> Path:
    """Leave a result in <out>/hero; a relative `out` is meant below the project's home. Returns that folder."""
    folder = resolve(out) / "hero"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "query.jpg").unlink(missing_ok=True)
    if query.image is not None:
        thumbnail(query.image, 600).save(folder / "query.jpg", quality=90)
    panorama.save(folder / "panorama.jpg", quality=90)
    thumbnail(ranking.best.item.path, 600).save(folder / "winner.jpg", quality=90)
    result = {
        "query_text": query.text or "",
        "winner_title": ranking.best.item.title,
        "reason": ranking.reason,
        "ranking": [{"rank": hit.rank, "title": hit.item.title, "score": round(hit.score, 4)} for hit in ranking.hits],
    }
    (folder / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    return folder


def load_hero(folder: Path) -> dict[str, Any] | None:
    """What notebook 04 left in `folder`: result.json as a dict, or None if there is none.

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
        raise RagError(f"{folder} {found}: run the notebook that writes it again.")
    return result | {"has_picture": (folder / "query.jpg").exists()}


def write_page(folder: Path, runs: Sequence[tuple[str, float]], *, edition: str, hero: dict[str, Any] | None) -> Path:
    """Write `folder`/index.html. `runs`: (file name of an executed notebook, seconds), in the order of execution."""
    total = sum(seconds for _, seconds in runs)
    parts = [
        "<h1>Multimodal RAG with Milvus</h1>",
        f'<p class="soft">The {escape(edition)} edition: {len(runs)} notebook{"s" if len(runs) != 1 else ""} '
        f"in {total:.0f} s.</p>",
    ]
    if hero:
        parts += [_hero(hero), _ranking(hero["ranking"])]
    parts.append(_notebooks(runs))
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Multimodal RAG with Milvus</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
    path = folder / "index.html"
    beside = folder / ".index.html.partial"
    beside.write_text(page, encoding="utf-8")
    os.replace(beside, path)
    return path


def _hero(hero: dict[str, Any]) -> str:
    text, winner = escape(hero["query_text"]), escape(hero["winner_title"])
    picture = '<img src="hero/query.jpg" alt="The query picture">' if hero["has_picture"] else ""
    return f"""<section class="hero">
<figure class="query">{picture}
<figcaption><b>{text or "(no instruction)"}</b>the query</figcaption></figure>
<div class="arrow" aria-hidden="true">&rarr;</div>
<figure><img src="hero/winner.jpg" alt="{winner}">
<figcaption><b>{winner}</b>the winner</figcaption></figure>
</section>
<section><h2>Why this one</h2><blockquote>{escape(hero["reason"])}</blockquote></section>
<section><h2>The candidates, numbered as the search ranked them</h2>
<img class="panorama" src="hero/panorama.jpg" alt="The query beside the numbered candidates"></section>"""


def _ranking(rows: Sequence[dict[str, Any]]) -> str:
    body = "\n".join(
        f'<tr><td class="number">{place}</td><td>{escape(str(row["title"]))}</td>'
        f'<td class="number">{escape(str(row["rank"]))}</td><td class="number">{_score(row["score"])}</td></tr>'
        for place, row in enumerate(rows, start=1)
    )
    return f"""<section><h2>The ranking</h2><table>
<tr><th class="number">place</th><th>candidate</th><th class="number">rank in the search</th>
<th class="number">cosine</th></tr>
{body}
</table></section>"""


def _notebooks(runs: Sequence[tuple[str, float]]) -> str:
    body = "\n".join(
        f'<tr><td><a href="{quote(name)}">{escape(Path(name).stem)}</a></td>'
        f'<td class="number">{seconds:.1f} s</td></tr>'
        for name, seconds in runs
    )
    return f"""<section><h2>The notebooks, executed</h2><table>
<tr><th>notebook</th><th class="number">time</th></tr>
{body}
</table></section>"""


def _score(score: Any) -> str:
    return f"{score:.3f}" if isinstance(score, float) else escape(str(score))
