"""A model in training as what embeds: rows of pictures and texts in, unit vectors with their gradients out."""

from collections.abc import Sequence

import numpy as np
import torch

from rag_lib.encoders.device import choose_dtype
from rag_lib.encoders.preprocess import normalize
from rag_lib.training.trainable import Trainable


class Embedder:
    """`squares`: (n, S, S, 3) uint8, the pictures that rows count. In bfloat16 where the device computes with it."""

    def __init__(self, start: Trainable, squares: np.ndarray, *, device: str, freeze_tower: bool):
        self.model, self.tokenizer = start.model.to(device), start.tokenizer
        self.squares, self.device = torch.from_numpy(squares), device
        self.dtype = choose_dtype("auto", device, large=True)  # here time counts more than the last digit
        self.model.tower.requires_grad_(not freeze_tower)
        if device == "cpu":  # the backward pass of the fused attention is the slower one
            self.model.text_model.set_attn_implementation("eager")
            for block in self.model.tower.blocks:
                block.attn.fused_attn = False
        self.model.eval()
        self.tokens = self._all_tokens() if freeze_tower else None

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def _all_tokens(self, portion: int = 32) -> torch.Tensor:
        from tqdm.auto import tqdm

        starts = tqdm(range(0, len(self.squares), portion), desc="patch tokens", unit="batch")
        with torch.no_grad(), self.autocast():
            return torch.cat([self._tokens(slice(i, i + portion)).to(self.dtype).cpu() for i in starts])

    def _tokens(self, rows) -> torch.Tensor:
        return self.model.image_tokens(normalize(self.squares[rows].to(self.device)))

    def composed(self, rows: Sequence[int], texts: Sequence[str]) -> torch.Tensor:
        """(n, dim); with empty texts the pictures alone."""
        rows = torch.as_tensor(rows)
        with self.autocast():
            tokens = self._tokens(rows) if self.tokens is None else self.tokens[rows].to(self.device)
            return self.model(*self._words(texts, composed=True), tokens)

    def queries(self, rows: Sequence[int], texts: Sequence[str]) -> torch.Tensor:
        """(n, dim); a row of -1 is a query without a picture."""
        kinds = [[i for i, row in enumerate(rows) if (row >= 0) is seen] for seen in (True, False)]
        (seen, rest), parts = kinds, []
        if seen:
            parts.append(self.composed([rows[i] for i in seen], [texts[i] for i in seen]))
        if rest:
            with self.autocast():
                parts.append(self.model(*self._words([texts[i] for i in rest], composed=False)))
        return torch.cat(parts)[np.argsort(seen + rest)]

    def train(self) -> None:
        """Dropout on, but not in a tower that stays as it is."""
        self.model.train()
        self.model.tower.train(self.tokens is None)

    def _words(self, texts: Sequence[str], *, composed: bool) -> tuple[torch.Tensor, torch.Tensor]:
        longest = self.model.max_text_tokens(composed=composed)
        words = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return words["input_ids"].to(self.device), words["attention_mask"].to(self.device)
