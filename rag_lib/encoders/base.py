"""What all encoders share: many pictures in, unit rows out, in order; a bad picture is skipped by name.

A subclass of `Encoder` says how one picture is prepared and how a batch is embedded. Here the pictures are read ahead
on threads while the model computes, and what a cache holds is not computed again.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.encoders.cautions import find_cautions
from rag_lib.encoders.memory import embed_what_fits
from rag_lib.encoders.vocabulary import Caution, Vocabulary
from rag_lib.errors import RagError, warn_outside
from rag_lib.images import ImageError, content_id
from rag_lib.records import Skipped, as_text

READERS = max(4, os.cpu_count() or 4)  # threads that read ahead; decoding releases the interpreter's lock
REMEMBERED = 1000  # instructions that were warned of


@dataclass(frozen=True)
class EncodedImages:
    """`vectors`: (len(kept), dim) float32, unit rows; `kept`: what each row was read from; `skipped`: the rest.

    `encoded`: how many pictures the model saw; the others of `kept` came from the cache or were met twice.
    `ids`: the content id that each row is the vector of; None for PIL images and files that changed meanwhile.
    """

    vectors: np.ndarray
    kept: tuple
    skipped: tuple[Skipped, ...]
    encoded: int
    ids: tuple[str | None, ...]


class _Read(NamedTuple):
    """What a reading thread found: the vector, or else the prepared picture, or else why there is none.

    `image_id`: the content's, under which the vector is cached; None where it is not known for sure.
    """

    source: Any
    image_id: str | None = None
    vector: np.ndarray | None = None
    prepared: Any = None
    reason: str | None = None


class Encoder(ABC):
    """What every encoder does, and all that its callers use.

    `name`: as given to `load_encoder`; `fingerprint`: changes whenever the vectors would; `dim`: their length.
    `composes`: how a picture and an instruction become one vector, "joint" by the model or "sum" of their own two.
    `vocabulary`: of a model that knows certain words only; None for one that was trained on any text, or on
    somebody's own.
    """

    name: str
    fingerprint: str
    dim: int
    composes: str
    vocabulary: Vocabulary | None = None

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

    def reads_all(self, text: str, *, pictured: bool) -> bool:
        """Whether the model reads the whole of a text, alone or beside a picture."""
        return True

    def photograph(self, image, text: str | None):
        """The words for which the model takes a query's photograph (`.words`, `.say`), if it does not embed it."""
        return None

    def encode_images(
        self,
        paths: Sequence,
        *,
        batch_size: int = 32,
        progress: Any = True,
        cache: EmbeddingCache | None = None,
    ) -> EncodedImages:
        """Embed pictures (paths or PIL images), each alone. A picture that cannot be opened is skipped by name.

        `progress`: whether to show a bar, or the tqdm bar to move on. `cache`: files whose content it holds are not
        decoded, the others are added. A content that is given twice is embedded once. PIL images pass both by.
        """
        from tqdm.auto import tqdm

        _check_given(batch_size, paths)
        kept, ids, skipped, rows = [], [], [], []  # rows[i]: the vector of kept[i], or the row that gets it
        batch, first, encoded = [], {}, 0  # batch: rows to embed, with their pictures; first: image_id -> row
        own = isinstance(progress, bool)
        bar = tqdm(total=len(paths), desc="encode", unit="image", disable=not progress) if own else progress
        with bar if own else nullcontext():
            for read in self._read_ahead(paths, 2 * batch_size, cache):
                if read.reason:
                    skipped.append(Skipped(read.source, read.reason))
                    bar.update()
                    continue
                row = len(kept)
                kept.append(read.source)
                ids.append(read.image_id)
                twin = row if read.image_id is None else first.setdefault(read.image_id, row)
                rows.append(twin if read.vector is None else read.vector)
                if read.vector is not None or twin != row:
                    bar.update()
                    continue
                batch.append((row, read))
                if len(batch) == batch_size:
                    batch_size = self._embed_batch(batch, rows, cache)
                    encoded += len(batch)
                    bar.update(len(batch))
                    batch = []
            if batch:
                self._embed_batch(batch, rows, cache)
                encoded += len(batch)
                bar.update(len(batch))
        vectors = [rows[row] if isinstance(row, int) else row for row in rows]
        stacked = np.stack(vectors) if vectors else np.empty((0, self.dim), np.float32)
        return EncodedImages(stacked, tuple(kept), tuple(skipped), encoded, tuple(ids))

    def encode_query(self, image=None, text: str | None = None) -> np.ndarray:
        """Embed a picture, an instruction, or both composed: (dim,) float32, unit length.

        Warns, once for each instruction, of words that the model does not know (`UnknownWords`) or does not reach
        (`CutWords`).
        """
        vector = self.encode_queries([image], [text])[0]
        text = as_text(text, "The instruction")
        for caution in self.cautions(text, pictured=image is not None):
            self._warn_once(type(caution), str(caution), hash(text))
        return vector

    def encode_queries(self, images: Sequence, texts: Sequence[str | None], *, batch_size: int = 32) -> np.ndarray:
        """Embed queries of one kind (all with a picture or all without): (n, dim) float32, unit rows.

        Made for many at a time, as evaluations have: it never warns of an instruction. Ask `cautions`.
        """
        _check_given(batch_size, images, texts)
        texts = [as_text(text, "The instruction").strip() for text in texts]
        if any(image is None and not text for image, text in zip(images, texts, strict=True)):
            raise RagError("The query is empty: give a picture, an instruction, or both.")
        if len({image is None for image in images}) > 1:
            raise RagError("Some queries have a picture and some have none: encode the two kinds in two calls.")
        rows, start = [np.empty((0, self.dim), np.float32)], 0
        while start < len(texts):
            some, words = images[start : start + batch_size], texts[start : start + batch_size]
            prepared = None if some[0] is None else [self.prepare(image) for image in some]
            vectors, batch_size = embed_what_fits(self.name, self.embed_queries, prepared, words)
            rows.append(vectors)
            start += len(words)
        return np.concatenate(rows)

    def unknown_words(self, text: str | None) -> list[str]:
        """The words of an instruction that mean nothing to the model, as written; always [] without a `vocabulary`."""
        return self.vocabulary.unknown(text) if self.vocabulary else []

    def cautions(self, text: str | None, *, pictured: bool = False) -> list[Caution]:
        """What to know of an instruction, alone or beside a picture, before its answer is trusted; [] if nothing."""
        return find_cautions(text, self.vocabulary, self.name, partial(self.reads_all, pictured=pictured))

    @cached_property
    def _warn_once(self) -> Callable[..., None]:
        """Nothing is said again of the instructions that were warned of last."""
        return lru_cache(maxsize=REMEMBERED)(lambda kind, sentence, _: warn_outside(sentence, kind))

    def _read_ahead(self, paths: Sequence, ahead: int, cache: EmbeddingCache | None) -> Iterator[_Read]:
        """What was read of each path, in order; `ahead` pictures are in work."""

        def read(source) -> _Read:
            try:
                if not isinstance(source, str | os.PathLike):
                    return _Read(source, prepared=self.prepare(source))
                state, image_id = _state(source), None
                with suppress(ImageError):  # `prepare` says why
                    image_id = content_id(source)
                vector = cache.get(image_id) if cache is not None and image_id else None
                if vector is not None:
                    return _Read(source, image_id, vector)
                prepared = self.prepare(source)
                # A file that was replaced while it was read may not be what was hashed.
                return _Read(source, image_id if _state(source) == state else None, prepared=prepared)
            except ImageError as error:
                return _Read(source, reason=error.reason)

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

    def _embed_batch(self, batch: list[tuple[int, _Read]], rows: list, cache: EmbeddingCache | None) -> int:
        """Put the vectors of the batch into their `rows` and the cache; return the batch size that memory allowed."""
        vectors, size = embed_what_fits(self.name, self.embed_images, [read.prepared for _, read in batch])
        for (row, _), vector in zip(batch, vectors, strict=True):
            rows[row] = vector
        if cache is not None:
            named = [n for n, (_, read) in enumerate(batch) if read.image_id]
            cache.put([batch[n][1].image_id for n in named], vectors[named])
        return size


def _check_given(batch_size: int, *lists: Sequence) -> None:
    if batch_size < 1:
        raise RagError(f"batch_size is {batch_size}; it must be at least 1.")
    for given in lists:
        if isinstance(given, str | os.PathLike | Image.Image):
            raise RagError(
                f"Pictures and texts are given in lists, and this is one {type(given).__name__}: give a list."
            )
    if len({len(given) for given in lists}) > 1:
        counts = " pictures and ".join(str(len(given)) for given in lists)
        raise RagError(f"There are {counts} texts: give one of each for every query, None where it has none.")


def _state(path) -> tuple[int, ...] | None:
    with suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_ino, found.st_size, found.st_mtime_ns
