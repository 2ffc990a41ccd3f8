"""How much picture, how much words, and what not: a query's halves and a negative in, one unit vector out.

The model itself composes: `words=0.5` is its own vector. To either side it is blended with the vector of one half,
which moves the query along the short way between them. A negative is Rocchio's feedback with the one term that is
needed here: what is not wanted is subtracted from the query (Rocchio 1971, "Relevance feedback in information
retrieval", in Salton's The SMART Retrieval System; Manning et al. 2008, section 9.1.1). Writing "not stripes" into the
instruction does not do: an embedding takes the stripes and reads past the "not".
"""

import numpy as np

from rag_lib.encoders.base import Encoder
from rag_lib.errors import QueryError

# Chosen on the drawn benchmark's validation split (`rag_lib.evaluation.studies.negatives`): with less, more of the
# unwanted stays; with more, what was asked for begins to give way.
STRENGTH = 0.5
_NOTHING = 1e-3  # a length below which what is left of a query has no direction of its own


def mix_query(
    encoder: Encoder,
    image=None,
    text: str | None = None,
    *,
    words: float = 0.5,
    without: str | None = None,
    strength: float = STRENGTH,
) -> np.ndarray:
    """Embed a query: (dim,) float32, unit length.

    `image`: a path or PIL image; `text`: the instruction; either may be missing. `words`: 0 is the picture alone, 0.5
    the model's composed query, 1 the words alone, between them linear on the unit vectors; a query of one half is that
    half. `without`: a text of what is not wanted ("stripes"); `strength` times its unit vector is subtracted. Warns as
    `encode_query` does. Raises QueryError for numbers out of range, an empty query, and a mixture that
    leaves nothing.
    """
    if not 0 <= words <= 1:
        raise QueryError(f"words is {words}; it must be between 0, the picture alone, and 1, the words alone.")
    if not 0 <= strength < float("inf"):
        raise QueryError(f"strength is {strength}; it must be a number from 0.")
    text, without = (text or "").strip(), (without or "").strip()
    query = _half_or_both(encoder, image, text, words)
    return subtract(query, encoder.encode_query(text=without), strength) if without and strength else query


def blend(composed: np.ndarray, picture: np.ndarray, worded: np.ndarray, words: float) -> np.ndarray:
    """Unit vectors of the composed queries and of their two halves, (..., dim) -> unit vectors for that `words`."""
    half, share = (picture if words < 0.5 else worded), abs(2 * words - 1)
    return _unit((1 - share) * composed + share * half)


def subtract(queries: np.ndarray, unwanted: np.ndarray, strength: float = STRENGTH) -> np.ndarray:
    """Rocchio's negative term: unit vectors (..., dim), and of what they do not want -> unit vectors."""
    return _unit(queries - strength * unwanted)


def _half_or_both(encoder: Encoder, image, text: str, words: float) -> np.ndarray:
    """The query before its negative; only what is needed of it is embedded."""
    if words == 0 and image is None and text:
        raise QueryError("words is 0, the picture alone, but there is no picture: give one, or a higher number.")
    if words == 1 and not text and image is not None:
        raise QueryError(
            "words is 1, the words alone, but there are none: write an instruction, or give a lower number."
        )
    if words == 0.5 or image is None or not text:
        return encoder.encode_query(image, text)
    half = encoder.encode_query(image) if words < 0.5 else encoder.encode_query(text=text)
    return half if words in (0, 1) else blend(encoder.encode_query(image, text), half, half, words)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if lengths.min() < _NOTHING:
        raise QueryError("Nothing is left of the query: its parts cancel each other. Ask for something else.")
    return (vectors / lengths).astype(np.float32)
