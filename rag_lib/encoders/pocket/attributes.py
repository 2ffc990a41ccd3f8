"""What the pocket model can name: linear heads that read category, theme and color from its features.

The heads are trained beside the embedding (`rag_lib.training`). They serve the offline reranker as evidence: what a
picture shows, and what a composed query asks for.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder


class AttributeHeads(nn.Module):
    """`labels`: attribute -> its names, in the order of the logits."""

    def __init__(self, image_width: int, dim: int, labels: Mapping[str, Sequence[str]]):
        super().__init__()
        self.labels = {attribute: list(names) for attribute, names in labels.items()}
        self.sizes = [len(names) for names in self.labels.values()]
        self.image_head = nn.Linear(image_width, sum(self.sizes))
        self.query_head = nn.Linear(dim, sum(self.sizes))

    def image_logits(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(n, N, d_v) patch tokens -> one (n, names) tensor of logits an attribute."""
        return self.image_head(tokens.mean(dim=1)).float().split(self.sizes, dim=-1)

    def query_logits(self, embedding: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(n, dim) unit embeddings -> one (n, names) tensor of logits an attribute."""
        # A unit vector's entries are near 1/sqrt(dim); the head wants entries near 1.
        return self.query_head(embedding * embedding.shape[-1] ** 0.5).float().split(self.sizes, dim=-1)


class AttributeReader:
    """Reads attributes as probabilities. `labels`: attribute -> names, in the order of the columns."""

    def __init__(self, encoder: ComposedEncoder, heads: AttributeHeads):
        self.encoder, self.heads = encoder, heads.eval().to(encoder.device)
        self.labels = heads.labels

    def read_images(self, images: Sequence) -> dict[str, np.ndarray]:
        """What pictures (paths or PIL images) show: attribute -> (n, names) float32, rows sum to 1."""
        return self._probabilities(self.heads.image_logits, self.encoder.image_tokens(images))

    def read_query(self, image=None, text: str | None = None) -> dict[str, np.ndarray]:
        """What a query asks for: attribute -> (names,) float32, sums to 1."""
        embedding = torch.from_numpy(self.encoder.encode_query(image, text))[None].to(self.encoder.device)
        return {name: rows[0] for name, rows in self._probabilities(self.heads.query_logits, embedding).items()}

    def _probabilities(self, head, features: torch.Tensor) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            logits = head(features.float())
        return {name: rows.softmax(-1).cpu().numpy() for name, rows in zip(self.labels, logits, strict=True)}
