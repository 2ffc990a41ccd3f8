"""The encoder that notebooks use: picture files, instructions and composed queries in, unit vectors out."""

from collections.abc import Sequence

import numpy as np
import torch

from rag_lib.encoders.base import Encoder
from rag_lib.encoders.preprocess import normalize, read_square
from rag_lib.encoders.recent import Recent
from rag_lib.encoders.visualized_bge.inference import InferenceModel
from rag_lib.encoders.visualized_bge.model import VisualizedBGE


class ComposedEncoder(Encoder):
    """A Visualized BGE model with its tokenizer, on one device and in one precision.

    `name`: as given to `load_encoder`; `fingerprint`: changes whenever the vectors would; `dim`: their length.
    """

    def __init__(self, model: VisualizedBGE, tokenizer, *, name: str, fingerprint: str, device: str, dtype):
        self.model = InferenceModel(model, device=device, dtype=dtype)
        self.tokenizer = tokenizer
        self.name, self.fingerprint = name, fingerprint
        self.device, self.dtype = device, dtype
        self.dim, self.composes = model.dim, "joint"
        self._recent = Recent()

    def prepare(self, source) -> np.ndarray:
        """(S, S, 3) uint8 RGB, S being the model's `image_size`."""
        return read_square(source, self.model.config.image_size)

    def embed_images(self, prepared: list[np.ndarray]) -> np.ndarray:
        return self.embed_queries(prepared, [""] * len(prepared))

    def embed_queries(self, prepared: list[np.ndarray] | None, texts: list[str]) -> np.ndarray:
        tokens = None if prepared is None else self._tokens(prepared)  # a GPU looks while the texts are read
        words = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.model.max_text_tokens(composed=prepared is not None),
            return_tensors="pt",
        )
        return self.model(words["input_ids"], words["attention_mask"], tokens).cpu().numpy()

    def reads_all(self, text: str, *, pictured: bool) -> bool:
        ids = self.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return len(ids) <= self.model.max_text_tokens(composed=pictured)

    def image_tokens(self, images: Sequence) -> torch.Tensor:
        """Pictures (paths or PIL images) -> (n, N, d_v) patch tokens. Raises ImageError."""
        return self._tokens([self.prepare(image) for image in images])

    def _tokens(self, squares: list[np.ndarray]) -> torch.Tensor:
        return self._recent(self._look, squares, key=np.ndarray.tobytes)

    def _look(self, squares: list[np.ndarray]) -> torch.Tensor:
        shape = len(squares), *squares[0].shape
        stacked = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device == "cuda")
        np.stack(squares, out=stacked.numpy())
        return self.model.image_tokens(normalize(stacked.to(self.device, non_blocking=self.device == "cuda")))
