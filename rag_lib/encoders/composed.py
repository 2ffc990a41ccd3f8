"""The encoder that notebooks use: picture files, instructions and composed queries in, unit vectors out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rag_lib.encoders.preprocess import normalize, read_square
from rag_lib.encoders.visualized_bge import VisualizedBGE
from rag_lib.errors import RagError
from rag_lib.images import ImageError
from rag_lib.records import Skipped


@dataclass(frozen=True)
class EncodedImages:
    """`vectors`: (len(kept), dim) float32, unit rows; `kept`: what each row was read from; `skipped`: the rest."""

    vectors: np.ndarray
    kept: tuple
    skipped: tuple[Skipped, ...]


class ComposedEncoder:
    """A Visualized BGE model with its tokenizer, on one device.

    `name`: as given to `load_encoder`; `fingerprint`: changes whenever the vectors would; `dim`: their length.
    """

    def __init__(self, model: VisualizedBGE, tokenizer, *, name: str, fingerprint: str, device: str, dtype):
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.name, self.fingerprint = name, fingerprint
        self.device, self.dtype = device, dtype
        self.dim = model.dim

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, dim={self.dim})"

    def encode_images(self, paths: Sequence, *, batch_size: int = 32, progress: bool = True) -> EncodedImages:
        """Embed pictures (paths or PIL images), each alone. A picture that cannot be opened is skipped by name."""
        vectors, kept, skipped = [np.empty((0, self.dim), np.float32)], [], []
        for squares, read in self._batches(paths, batch_size, progress, skipped):
            with self._inference():
                tokens = self.model.image_tokens(normalize(squares).to(self.device))
                vectors.append(self._embed([""] * len(squares), tokens))
            kept += read
        return EncodedImages(np.concatenate(vectors), tuple(kept), tuple(skipped))

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
            some_images, some_texts = images[start : start + batch_size], texts[start : start + batch_size]
            with self._inference():
                tokens = None if some_images[0] is None else self.image_tokens(some_images)
                rows.append(self._embed(some_texts, tokens))
        return np.concatenate(rows)

    def image_tokens(self, images: Sequence) -> torch.Tensor:
        """Pictures (paths or PIL images) -> (n, N, d_v) patch tokens. Raises ImageError."""
        squares = np.stack([read_square(image, self.model.config.image_size) for image in images])
        with self._inference():
            return self.model.image_tokens(normalize(squares).to(self.device))

    def _embed(self, texts: Sequence[str], tokens: torch.Tensor | None) -> np.ndarray:
        words = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.model.max_text_tokens(composed=tokens is not None),
            return_tensors="pt",
        ).to(self.device)
        return self.model(words["input_ids"], words["attention_mask"], tokens).cpu().numpy()

    def _batches(self, paths, batch_size, progress, skipped) -> Iterator[tuple[np.ndarray, list]]:
        from tqdm.auto import tqdm

        if batch_size < 1:
            raise RagError(f"batch_size is {batch_size}; it must be at least 1.")
        squares, read = [], []
        for path in tqdm(paths, desc="encode", unit="image", disable=not progress):
            try:
                squares.append(read_square(path, self.model.config.image_size))
                read.append(path)
            except ImageError as error:
                skipped.append(Skipped(path, error.reason))
            if len(squares) == batch_size:
                yield np.stack(squares), read
                squares, read = [], []
        if squares:
            yield np.stack(squares), read

    @contextmanager
    def _inference(self):
        low_precision = self.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device, self.dtype, enabled=low_precision):
            yield
