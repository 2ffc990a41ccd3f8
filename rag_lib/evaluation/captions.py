"""Is this encoder any good on my pictures? A folder of pictures with titles in, how well words find them out.

Every title is asked as a query and should find its picture, and every picture its title. Where several pictures have
the same title, each of them is right. And every picture should have another one of its category among its five nearest:
a picture's category is what its metadata says, or its folder.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import gammaln

from rag_lib.catalog.folder import load_folder
from rag_lib.encoders import Encoder
from rag_lib.errors import RagError
from rag_lib.evaluation.significance import interval
from rag_lib.images import thumbnail
from rag_lib.records import Catalog

DEPTHS = (1, 5, 10)
NEAREST = 5
WORST = 8  # failures that are shown
TILE, WORDS = 160, 56  # pixels: a picture's square, and the height of its title


def evaluate_captions(folder: str | Path, encoder: Encoder, *, cache=None, progress: bool = True) -> dict:
    """Measure an encoder on a folder of pictures.

    Titles are the catalog's (see `load_folder`). Returns what `captions_table` prints: pictures, titles,
    skipped, encoder, fingerprint, "title -> picture" and "picture -> title" (Recall@k with its 95% interval and chance,
    the median rank from 1), category, and failures, the worst first. Raises RagError for fewer than two titles.
    """
    catalog = load_folder(folder)
    encoded = encoder.encode_images([item.path for item in catalog.items], cache=cache, progress=progress)
    rows = {path: row for row, path in enumerate(encoded.kept)}
    items = [item for item in catalog.items if item.path in rows]
    titles = [item.title for item in items]
    if len({title.casefold() for title in titles}) < 2:
        raise RagError(
            f"All pictures of '{catalog.root.name}' have one title: give them titles, by their names, by text files of "
            "the same names, or by a metadata.csv with the columns file and title."
        )
    vectors = encoded.vectors[[rows[item.path] for item in items]]
    scores = encoder.encode_queries([None] * len(titles), titles) @ vectors.T
    keys = np.unique([title.casefold() for title in titles], return_inverse=True)[1]
    right = keys[:, None] == keys
    ranks = rank_of_first(scores, right)
    first = scores.argmax(axis=1)
    worst = sorted(np.flatnonzero(ranks > 1), key=lambda i: -ranks[i])[:WORST]
    return {
        "benchmark": "captions",
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "pictures": len(items),
        "titles": int(keys.max()) + 1,
        "skipped": len(catalog.skipped) + len(encoded.skipped),
        "title -> picture": _measure(ranks, right),
        "picture -> title": _measure(rank_of_first(scores.T, right), right),
        "category": _by_category(vectors, _categories(catalog, items)),
        "failures": [
            {
                "title": titles[i],
                "rank": int(ranks[i]),
                "picture": items[i].path.relative_to(catalog.root).as_posix(),
                "first": items[first[i]].path.relative_to(catalog.root).as_posix(),
            }
            for i in worst
        ],
    }


def rank_of_first(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(queries, answers) scores, and which answers are right -> (queries,) int, from 1: the rank of the best right one.

    A wrong answer of the same score comes first: an encoder that gives all the same is not to be praised.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~right).sum(axis=1)


def chance(right: np.ndarray, k: int) -> float:
    """The expected Recall@k of answers in random order: 1 - C(n - r, k) / C(n, k), the mean over the queries."""
    n, r = right.shape[1], right.sum(axis=1)
    if k >= n:
        return 1.0
    # ln C(n - r, k) - ln C(n, k); where fewer than k are wrong, one of the k is right
    enough = n - r >= k
    left = np.where(enough, n - r, k)
    ratio = gammaln(left + 1) - gammaln(left - k + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return float(np.mean(1 - np.where(enough, np.exp(ratio), 0)))


def captions_table(report: dict) -> str:
    """The report of `evaluate_captions` as text."""
    lines = [
        f"{report['pictures']:,} pictures with {report['titles']:,} titles, encoder {report['encoder']}"
        + (f"; {report['skipped']:,} files left out." if report["skipped"] else "."),
        "",
        "| | " + " | ".join(f"Recall@{k} | 95% | chance" for k in DEPTHS) + " | median rank |",
        "|---|" + "--:|---|--:|" * len(DEPTHS) + "--:|",
    ]
    for way in ("title -> picture", "picture -> title"):
        found = report[way]
        cells = [
            f"{found[f'Recall@{k}'][0]:.2f} | {found[f'Recall@{k}'][1]:.2f}-{found[f'Recall@{k}'][2]:.2f} | "
            f"{found[f'Recall@{k}'][3]:.3f}"
            for k in DEPTHS
        ]
        lines.append(f"| {way} | {' | '.join(cells)} | {found['median rank']:g} |")
    if category := report["category"]:
        share, low, high, by_chance = category["share"]
        lines += [
            "",
            f"Of {category['pictures']:,} pictures in {category['categories']} categories {share:.2f} "
            f"({low:.2f}-{high:.2f}; by chance {by_chance:.2f}) have another one of their own among the {NEAREST} "
            "nearest.",
        ]
    if report["failures"]:
        lines += ["", "| the worst | rank | found first |", "|---|--:|---|"]
        lines += [f"| {each['title']} | {each['rank']:,} | {each['first']} |" for each in report["failures"]]
    return "\n".join(lines)


def draw_failures(report: dict, folder: str | Path):
    """The worst failures as one picture (a PIL image): the title, below it its picture, and what was found first."""
    from PIL import Image, ImageDraw, ImageFont

    failures = report["failures"]
    page = Image.new("RGB", (max(1, len(failures)) * TILE, WORDS + 2 * TILE), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for column, each in enumerate(failures):
        lines = [*textwrap.wrap(each["title"], 24, max_lines=2), f"in place {each['rank']:,}; first below"]
        draw.multiline_text((column * TILE + 4, 4), "\n".join(lines), fill="black", font=font)
        for row, name in enumerate((each["picture"], each["first"])):
            picture = thumbnail(Path(folder, name), TILE - 8)
            left, above = (TILE - picture.width) // 2, (TILE - picture.height) // 2
            page.paste(picture, (column * TILE + left, WORDS + row * TILE + above))
    return page


def _measure(ranks: np.ndarray, right: np.ndarray) -> dict:
    """ "Recall@k": [share, low, high, chance]; "median rank"."""
    found = {}
    for k in DEPTHS:
        hits = (ranks <= k).astype(float)
        found[f"Recall@{k}"] = [round(float(x), 4) for x in (hits.mean(), *interval(hits), chance(right, k))]
    return found | {"median rank": float(np.median(ranks))}


def _by_category(vectors: np.ndarray, categories: Sequence[str]) -> dict | None:
    """How often a picture's category is among its nearest; None where no two categories have two pictures each."""
    keys = np.unique(categories, return_inverse=True)[1]
    counts = np.bincount(keys)[keys]
    if len(set(keys[counts > 1])) < 2:
        return None
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    asked = np.flatnonzero(counts > 1)
    near = np.argsort(-scores[asked], axis=1, kind="stable")[:, :NEAREST]
    hits = (keys[near] == keys[asked, None]).any(axis=1).astype(float)
    same = keys[asked, None] == keys
    same[np.arange(len(asked)), asked] = False
    others = np.array([np.delete(row, place) for row, place in zip(same, asked, strict=True)])
    share = [round(float(x), 4) for x in (hits.mean(), *interval(hits), chance(others, NEAREST))]
    return {"pictures": len(asked), "categories": len(set(keys[asked])), "share": share}


def _categories(catalog: Catalog, items: Sequence) -> list[str]:
    return [
        str(item.metadata.get("category") or item.path.parent.relative_to(catalog.root).as_posix()) for item in items
    ]
