"""What all encoders share: many pictures in, unit rows out, in order; a bad picture is skipped by name.

A subclass says how one picture is prepared and how a batch is embedded. Here the pictures are read ahead on threads
while the model computes, and a batch that does not fit into memory is halved.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rag_lib.errors import RagError
from rag_lib.images import ImageError
from rag_lib.records import Skipped

READERS = 4  # threads that read ahead; decoding releases the interpreter's lock
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # CUDA and MPS; CPU


@dataclass(frozen=True)
class EncodedImages:
    """`vectors`: (len(kept), dim) float32, unit rows; `kept`: what each row was read from; `skipped`: the rest."""

    vectors: np.ndarray
    kept: tuple
    skipped: tuple[Skipped, ...]


class BaseEncoder(ABC):
    """`name`: as given to `load_encoder`; `fingerprint`: changes whenever the vectors would; `dim`: their length."""

    name: str
    fingerprint: str
    dim: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, dim={self.dim})"

    @abstractmethod
    def prepare(self, source):
        """A path or PIL image -> what `embed_images` takes. Runs on threads; raises ImageError."""

    @abstractmethod
    def embed_images(self, prepared: list) -> np.ndarray:
        """Prepared pictures, each alone -> (n, dim) float32, unit rows."""

    @abstractmethod
    def embed_queries(self, prepared: list | None, texts: list[str]) -> np.ndarray:
        """Texts, alone (None) or each with its prepared picture -> (n, dim) float32, unit rows."""

    def encode_images(self, paths: Sequence, *, batch_size: int = 32, progress: bool = True) -> EncodedImages:
        """Embed pictures (paths or PIL images), each alone. A picture that cannot be opened is skipped by name."""
        from tqdm.auto import tqdm

        if batch_size < 1:
            raise RagError(f"batch_size is {batch_size}; it must be at least 1.")
        rows, kept, skipped, batch = [np.empty((0, self.dim), np.float32)], [], [], []
        with tqdm(total=len(paths), desc="encode", unit="image", disable=not progress) as bar:
            for path, prepared, reason in self._read_ahead(paths, 2 * batch_size):
                if reason:
                    skipped.append(Skipped(path, reason))
                    bar.update()
                    continue
                kept.append(path)
                batch.append(prepared)
                if len(batch) == batch_size:
                    vectors, batch_size = self._embed_what_fits(batch)
                    rows.append(vectors)
                    bar.update(len(batch))
                    batch = []
            if batch:
                rows.append(self._embed_what_fits(batch)[0])
                bar.update(len(batch))
        return EncodedImages(np.concatenate(rows), tuple(kept), tuple(skipped))

    def encode_query(self, image=None, text: str | None = None) -> np.ndarray:
        """Embed a picture, an instruction, or both composed: (dim,) float32, unit length."""
        return self.encode_queries([image], [text])[0]

    def encode_queries(self, images: Sequence, texts: Sequence[str | None], *, batch_size: int = 32) -> np.ndarray:
        """Embed queries of one kind (all with a picture or all without): (n, dim) float32, unit rows."""
        texts = [(text or "").strip() for text in texts]
        if any(image is None and not text for image, text in zip(images, texts, strict=True)):
            raise RagError("The query is empty: give a picture, an instruction, or both.")
        if len({image is None for image in images}) > 1:
            raise RagError("Some queries have a picture and some have none: encode the two kinds in two calls.")
        rows = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(texts), batch_size):
            some = images[start : start + batch_size]
            prepared = None if some[0] is None else [self.prepare(image) for image in some]
            rows.append(self.embed_queries(prepared, texts[start : start + batch_size]))
        return np.concatenate(rows)

    def _read_ahead(self, paths: Sequence, ahead: int) -> Iterator[tuple]:
        """Yield (path, prepared, None) or (path, None, why it was skipped), in order; `ahead` pictures are in work."""

        def read(path):
            try:
                return path, self.prepare(path), None
            except ImageError as error:
                return path, None, error.reason

        waiting, paths = deque(), iter(paths)
        with ThreadPoolExecutor(READERS, thread_name_prefix="read") as readers:
            try:
                for path in paths:
                    waiting.append(readers.submit(read, path))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _embed_what_fits(self, batch: list) -> tuple[np.ndarray, int]:
        """The rows of a batch, and the batch size that memory allowed."""
        size = len(batch)
        while True:
            try:
                parts = [self.embed_images(batch[start : start + size]) for start in range(0, len(batch), size)]
                return np.concatenate(parts), size
            except (RuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and not any(w in str(error).lower() for w in OUT_OF_MEMORY):
                    raise
                if size == 1:
                    raise RagError(
                        f"{self.name} does not fit into memory even one picture at a time: close other programs, or "
                        'use a smaller encoder or another device (device="cpu").'
                    ) from None
            size = max(1, size // 2)  # outside of the handler, whose traceback holds the tensors that did not fit
