"""An answer as plain data: what the page offers for download and the HTTP API returns. No path of the machine in it."""

from collections.abc import Iterable
from typing import Any

from rag_lib.app.pipeline import Answer
from rag_lib.records import Hit


def report(answer: Answer, parts: dict[str, str]) -> dict[str, Any]:
    """JSON-ready. `parts`: part -> label, see `Pipeline.labels`. Scores are cosines, to four digits."""
    request, ranking = answer.request, answer.ranking
    result = {
        "query": {
            "picture": None if answer.query.image is None else list(answer.query.image.size),
            "text": answer.query.text or "",
            "words": request.words,
            "without": request.without,
            "title": request.title,
            "category": list(request.category),
            "price": list(request.price),
            "limit": request.limit,
        },
        "parts": {part: label for part, label in parts.items() if part != "reranker" or ranking},
        "hits": _hits(answer.hits),
        "alone": {name: _hits(hits) for name, hits in answer.halves.items()},
        "notes": list(answer.notes),
    }
    if ranking:
        result["ranking"] = {
            "order": [hit.rank for hit in ranking.hits],
            "winner": _hits([ranking.best])[0],
            "reason": ranking.reason,
            "evidence": {
                str(hit.rank): {side: list(getattr(found, side)) for side in ("keeps", "changes", "violates")}
                for hit in ranking.hits
                if (found := ranking.evidence.get(hit.item.image_id))
            },
            "repairs": dict(ranking.repairs),
        }
    return result


def _hits(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    return [
        {
            "rank": hit.rank,
            "score": round(hit.score, 4),
            "image_id": hit.item.image_id,
            "title": hit.item.title,
            "metadata": dict(hit.item.metadata),
        }
        for hit in hits
    ]
