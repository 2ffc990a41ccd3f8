"""Many queries as vectors, with a progress bar: with a picture, with words alone, or both kinds together."""

from collections.abc import Sequence

import numpy as np

from rag_lib.encoders import Encoder


def embed_queries(
    encoder: Encoder,
    images: Sequence,
    texts: Sequence[str],
    *,
    description: str,
    batch_size: int = 32,
    progress: bool = True,
) -> np.ndarray:
    """(n, dim) float32: unit rows, and a row of zeros for a query that has neither picture (None) nor words ("")."""
    from tqdm.auto import tqdm

    vectors = np.zeros((len(texts), encoder.dim), np.float32)
    pictured = [i for i, image in enumerate(images) if image is not None]
    worded = [i for i, (image, text) in enumerate(zip(images, texts, strict=True)) if image is None and text.strip()]
    with tqdm(total=len(pictured) + len(worded), desc=description, unit="query", disable=not progress) as bar:
        for places in (pictured, worded):
            for start in range(0, len(places), batch_size):
                some = places[start : start + batch_size]
                given = [images[i] for i in some], [texts[i] for i in some]
                vectors[some] = encoder.encode_queries(*given, batch_size=batch_size)
                bar.update(len(some))
    return vectors
