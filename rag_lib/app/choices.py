"""What visitors of the page may choose: the names that the owner allowed when the app was started, and no others.

In: an edition's values or a notebook's parameters. Out: `Choices`. A visitor sends a label from a list, never a name,
a folder or an address: those stay here, behind the labels.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_lib.errors import QueryError, RagError, did_you_mean

PARTS = ("catalog", "encoder", "reranker", "milvus_uri")
HARMLESS = ("pocket", "identity")  # rerankers that cost nothing: offered beside the owner's


@dataclass(frozen=True)
class Choices:
    """label -> name of each part, the first of each is what the page opens with. `limit`: hits; `seed`: of drawing.

    `query_image`, `query_text`: what the page is filled with at first. `rankings_per_visitor`, `rankings_per_hour`:
    how many that cost money one visitor and all of them may ask for within an hour.
    """

    catalog: Mapping[str, str]
    encoder: Mapping[str, str]
    reranker: Mapping[str, str]
    milvus_uri: Mapping[str, str]
    query_image: str = ""
    query_text: str = ""
    limit: int = 9
    seed: int = 0
    rankings_per_visitor: int = 20
    rankings_per_hour: int = 100

    @classmethod
    def of(cls, values: Mapping[str, Any], *, rerankers: Iterable[str] = HARMLESS) -> "Choices":
        """From parameters; a part is one name or a list of them. `rerankers`: offered beside those named.

        Raises RagError if a part is missing or a name is unknown.
        """
        if unknown := values.keys() - cls.__annotations__.keys():
            name = min(unknown)
            raise RagError(
                f"The app has no parameter '{name}'. Known: {', '.join(cls.__annotations__)}."
                f"{did_you_mean(name, cls.__annotations__)}"
            )
        named = {part: _as_list(values.get(part)) for part in PARTS}
        for part, names in named.items():
            if not names:
                raise RagError(f"The app needs a name for '{part}'.")
        named["reranker"] += [name for name in rerankers if name not in named["reranker"]]
        rest = {name: value for name, value in values.items() if name not in PARTS}
        return cls(**{part: _by_label(names) for part, names in named.items()}, **rest)

    def name(self, part: str, label: str | None) -> str:
        """The name behind a visitor's label, the first for none. Raises QueryError for one that is not offered."""
        offered = getattr(self, part)
        if not label:
            return next(iter(offered.values()))
        if label not in offered:
            raise QueryError(f"This app does not offer the {part} {label!r:.80}. Offered: {', '.join(offered)}.")
        return offered[label]


def _as_list(value: Any) -> list[str]:
    return [str(name) for name in ([value] if isinstance(value, str) else value or ()) if str(name).strip()]


def _by_label(names: Iterable[str]) -> dict[str, str]:
    """A visitor need not know where on this machine a folder lies, nor at what address a server is asked."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = name
        if name.startswith(("~", ".")) or Path(name).is_absolute():
            label = Path(name).name or name
        if "://" in name:
            count = sum("://" in other for other in found.values())
            label = f"Milvus server {count + 1}" if count else "Milvus server"
        if label in found:
            raise RagError(f"Two of the app's choices would both be called '{label}': rename one of the folders.")
        found[label] = name
    return found
