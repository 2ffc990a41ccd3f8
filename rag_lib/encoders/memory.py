"""A batch that does not fit into memory, in parts that do: rows in, the same rows out and how many of them fitted."""

from collections.abc import Callable

import numpy as np

from rag_lib.errors import RagError

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # CUDA and MPS; CPU


def embed_what_fits(name: str, embed: Callable[..., np.ndarray], *batch: list | None) -> tuple[np.ndarray, int]:
    """`embed(*batch)`, in parts if need be: the rows, and the batch size that memory allowed. `name`: the encoder's."""
    count = size = len(batch[-1])
    while True:
        try:
            parts = [slice(start, start + size) for start in range(0, count, size)]
            return np.concatenate([embed(*(given and given[part] for given in batch)) for part in parts]), size
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(w in str(error).lower() for w in OUT_OF_MEMORY):
                raise
            if size == 1:
                raise RagError(
                    f"{name} does not fit into memory even one at a time: close other programs, or "
                    'use a smaller encoder or another device (device="cpu").'
                ) from None
        size = max(1, size // 2)  # outside of the handler, whose traceback holds the tensors that did not fit
